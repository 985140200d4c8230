"""A state without its image as bytes, for other processes that hold the same image.

    b"RIT2" | 4 bytes: length of the header | header, JSON | zlib of: probabilities, then the packed mask

Probabilities are multiples of 1/63, a byte each. Whoever shares states rounds them so before going on
(`rounded`); then all processes go on from the same numbers, and their masks are equal.

Whoever can write where the bytes come from must not get more than a wrong mask: nothing in them is
executed, and whatever does not fit the image, in size or in value, is refused before memory is taken for it.
"""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field, ValidationError

from ritm_model.clicks import Click
from ritm_model.errors import RitmError
from ritm_model.inference.geometry import Roi, Size
from ritm_model.inference.soft_map import SoftMap
from ritm_model.inference.state import Image, Prediction, State
from ritm_model.values import Value

_MAGIC = b"RIT2"
_LENGTH_BYTES = 4
_EFFORT = 6  # of zlib's levels: three quarters of the bytes of the quickest, in twice its few milliseconds
_LARGEST_VIEW = 2048 * 2048

_LEVELS = 63  # finer ones take twice the bytes, and save no clicks

Count = Annotated[int, Field(ge=0)]
Sides = tuple[Count, Count]
Rows = tuple[Count, Count, Count, Count]


class StateBytesError(RitmError):
    """Bytes that are no state, or not one of this image."""


class _Header(Value):
    model_config = ConfigDict(strict=True)

    frame: Sides
    values: Sides
    kind: Literal["float32", "bool"]
    values_roi: Rows
    object_roi: Rows | None
    mask_roi: Rows | None
    score: Annotated[float, Field(ge=0, le=1)]
    roi: Rows | None
    region: Rows | None
    from_mask: bool


def rounded(state: State) -> State:
    """The state with its probabilities rounded to multiples of 1/63; its mask stays as it is."""
    answer = state.prediction
    if answer is None or type(state) is not State or answer.soft.values_hw.dtype == np.bool_:
        return state
    values_hw = _as_bytes(answer.soft.values_hw).astype(np.float32) / np.float32(_LEVELS)
    return replace(state, prediction=replace(answer, soft=replace(answer.soft, values_hw=values_hw)))


def encode_state(state: State) -> bytes | None:
    """The bytes of a state; None if it has no answer yet, or one that only this process can go on with.

    Its probabilities come back rounded.
    """
    answer = state.prediction
    if answer is None or type(state) is not State:
        return None
    values_hw = np.ascontiguousarray(answer.soft.values_hw)
    header = {
        "frame": state.frame,
        "values": values_hw.shape,
        "kind": values_hw.dtype.name,
        "values_roi": answer.soft.roi,
        "object_roi": answer.object_roi,
        "mask_roi": answer.mask_roi,
        "score": answer.score,
        "roi": state.roi,
        "region": state.region,
        "from_mask": state.from_mask,
    }
    head = json.dumps(header).encode()
    levels_hw = values_hw if values_hw.dtype == np.bool_ else _as_bytes(values_hw)
    body = levels_hw.tobytes() + np.packbits(answer.mask_inside).tobytes()
    return _MAGIC + len(head).to_bytes(_LENGTH_BYTES, "big") + head + zlib.compress(body, _EFFORT)


def decode_state(data: bytes, image_HW3: Image, clicks: tuple[Click, ...]) -> State:
    """The state of these clicks on this image.

    Raises:
        StateBytesError: the bytes are damaged, forged, or of an image of another size.
    """
    header, packed = _parts(data)
    frame = image_HW3.shape[0], image_HW3.shape[1]
    if header.frame != frame:
        raise StateBytesError("The state belongs to an image of another size.")
    rois = (header.values_roi, header.object_roi, header.mask_roi, header.roi, header.region)
    values_roi, object_roi, mask_roi, roi, region = (_roi(rows, frame) for rows in rois)
    assert values_roi is not None
    # The network's view is as large as the image at most, or as its crop, which is smaller than this.
    if math.prod(header.values) > max(math.prod(frame), _LARGEST_VIEW):
        raise StateBytesError("The state holds more probabilities than a network gives.")
    inside = mask_roi.size if mask_roi else (0, 0)
    values_hw, mask = _arrays(packed, header, inside)
    soft = SoftMap(values_hw, values_roi, frame)
    return State(
        image_HW3,
        clicks=clicks,
        prediction=Prediction(soft, object_roi, mask_roi, mask, header.score),
        roi=roi,
        region=region,
        from_mask=header.from_mask,
    )


def _parts(data: bytes) -> tuple[_Header, bytes]:
    start = len(_MAGIC) + _LENGTH_BYTES
    end = start + int.from_bytes(data[len(_MAGIC) : start], "big")
    if data[: len(_MAGIC)] != _MAGIC or end > len(data):
        raise StateBytesError("These bytes are no state.")
    try:
        return _Header.model_validate_json(data[start:end]), data[end:]
    except ValidationError:
        raise StateBytesError("The state has a header that cannot be read.") from None


def _arrays(packed: bytes, header: _Header, inside: Size) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    values_bytes = math.prod(header.values)
    mask_bytes = -(-math.prod(inside) // 8)
    unpacker = zlib.decompressobj()
    try:
        # One byte more than is wanted tells that there is more, without unpacking it.
        body = bytearray(unpacker.decompress(packed, values_bytes + mask_bytes + 1))
    except zlib.error:
        raise StateBytesError("The state is damaged.") from None
    if len(body) != values_bytes + mask_bytes:
        raise StateBytesError("The state is not as long as its header says.")
    values_hw: npt.NDArray[Any] = np.frombuffer(body, np.uint8, values_bytes).reshape(header.values)
    is_soft = header.kind == "float32"
    if values_bytes and values_hw.max() > (_LEVELS if is_soft else 1):
        raise StateBytesError("The state holds numbers that are no probabilities.")
    values_hw = values_hw.astype(np.float32) / np.float32(_LEVELS) if is_soft else values_hw.astype(np.bool_)
    bits = np.frombuffer(body, np.uint8, mask_bytes, values_bytes)
    mask = np.unpackbits(bits, count=math.prod(inside)).view(np.bool_).reshape(inside)
    return values_hw, mask


def _as_bytes(values_hw: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    levels_hw: npt.NDArray[np.uint8] = np.rint(values_hw * _LEVELS).astype(np.uint8)
    return levels_hw


def _roi(rows: Rows | None, frame: Size) -> Roi | None:
    if rows is None:
        return None
    roi = Roi(*rows)
    if min(roi.size) < 1 or roi.bottom >= frame[0] or roi.right >= frame[1]:
        raise StateBytesError("The state looks beside its image.")
    return roi
