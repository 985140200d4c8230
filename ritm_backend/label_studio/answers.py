"""Regions in the form the editor draws, and JSON fast enough for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ritm_backend.label_studio.outputs import Output
from ritm_backend.label_studio.regions import Frame

# Row n holds "n," filled up with zero bytes, which can then be deleted in one pass over the text.
_DECIMALS = np.array([f"{n}," for n in range(256)], dtype="S4").view(np.uint8).reshape(256, 4)


@dataclass(frozen=True, slots=True)
class RegionAnswer:
    """One region of an answer. `value` is its geometry; `parent` the id of the region that it belongs to."""

    id: str
    frame: Frame
    size: tuple[int, int]  # width and height of the picture that the value is for
    value: Mapping[str, object]
    output: Output
    label: str | None
    score: float
    parent: str | None = None


def results_of(answer: RegionAnswer) -> list[dict[str, object]]:
    """The results that make the region appear: one, or two where labels are a control of their own.

    Without a label its key is left out: the editor then applies the label chosen there. (A null in the list
    of labels would crash it.) The second result has no geometry: the editor finds the region by its id.
    """
    frame, (width, height) = answer.frame, answer.size
    common: dict[str, object] = {
        "id": answer.id,
        "to_name": frame.to_name,
        "original_width": width,
        "original_height": height,
        "image_rotation": frame.rotation,
        "score": answer.score,
        "readonly": False,
    }
    if frame.item_index is not None:
        common["item_index"] = frame.item_index
    if answer.parent is not None:
        common["parentID"] = answer.parent
    value = dict(answer.value)
    labels = None if answer.label is None else [answer.label]
    naming, own = answer.output.labels, answer.output.control
    if labels is not None and naming is own:
        value[own.kind] = labels
    results = [{**common, "type": own.kind, "from_name": own.name, "value": value}]
    if labels is not None and naming is not None and naming is not own:
        name: dict[str, object] = {"labels": labels}
        results.append({**common, "type": naming.kind, "from_name": naming.name, "value": name})
    return results


def to_json(value: object) -> bytes:
    """JSON of plain values; bytes are written as the list of their values, which is what an `rle` is."""
    return b"".join(_parts(value))


def _parts(value: object) -> Iterator[bytes]:
    try:
        # Many times as quick as value by value, which polygons have many of.
        yield _PLAIN.encode(value).encode()
    except _BytesInsideError:
        yield from _parts_with_bytes(value)


def _parts_with_bytes(value: object) -> Iterator[bytes]:
    if isinstance(value, bytes):
        rows = _DECIMALS[np.frombuffer(value, dtype=np.uint8)]
        yield b"[" + rows.tobytes().translate(None, b"\0")[:-1] + b"]"
    elif isinstance(value, dict):
        yield b"{"
        for index, (key, item) in enumerate(value.items()):
            yield (b"," if index else b"") + json.dumps(key).encode() + b":"
            yield from _parts(item)
        yield b"}"
    elif isinstance(value, list):
        yield b"["
        for index, item in enumerate(value):
            yield b"," if index else b""
            yield from _parts(item)
        yield b"]"


class _BytesInsideError(Exception):
    """The encoder of plain values has met others."""


def _refused(value: object) -> None:
    if isinstance(value, bytes):
        raise _BytesInsideError
    raise TypeError(f"{type(value).__name__} cannot be written as JSON.")


_PLAIN = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_refused)
