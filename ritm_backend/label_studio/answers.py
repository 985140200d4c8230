"""Masks in the form the editor draws, and JSON fast enough for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ritm_backend.label_studio.config import Brush
from ritm_backend.label_studio.regions import Frame

# Row n holds "n," filled up with zero bytes, which can then be deleted in one pass over the text.
_DECIMALS = np.array([f"{n}," for n in range(256)], dtype="S4").view(np.uint8).reshape(256, 4)


@dataclass(frozen=True, slots=True)
class MaskAnswer:
    """One segmented object."""

    id: str
    frame: Frame
    size: tuple[int, int]  # width and height that the rle is for
    rle: bytes
    brush: Brush
    label: str | None
    score: float


def regions_of(answer: MaskAnswer) -> list[dict[str, object]]:
    """The results that make the mask appear: one, or two where labels are a control of their own.

    Without a label its key is left out: the editor then applies the label chosen there. (A null in the list
    of labels would crash it.) The second result has no `rle`: the editor finds the region by its id.
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
    mask: dict[str, object] = {"format": "rle", "rle": answer.rle}
    labels = None if answer.label is None else [answer.label]
    brush, own = answer.brush, answer.brush.control
    if labels is not None and brush.labels is own:
        mask[own.kind] = labels
    regions = [{**common, "type": own.kind, "from_name": own.name, "value": mask}]
    if labels is not None and brush.labels is not None and brush.labels is not own:
        separate = brush.labels
        value = {"labels": labels}
        regions.append({**common, "type": separate.kind, "from_name": separate.name, "value": value})
    return regions


def to_json(value: object) -> bytes:
    """JSON of plain values; bytes are written as the list of their values, which is what an `rle` is."""
    return b"".join(_parts(value))


def _parts(value: object) -> Iterator[bytes]:
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
    else:
        yield json.dumps(value, allow_nan=False).encode()
