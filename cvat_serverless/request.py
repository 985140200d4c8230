"""What CVAT sends for one interaction, read with suspicion.

CVAT posts `{"image", "pos_points", "neg_points", "obj_bbox"}` and, when a script asks for it, `threshold`:
the whole frame as base64 text and every click so far. Nuclio hands the body over as a dict, or as bytes
where the content type was not exactly `application/json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from cvat_serverless.wire import is_number
from ritm_model.clicks import Click
from ritm_model.errors import RitmError
from ritm_model.inference import Box

MAX_PROMPTS = 200
"""Clicks and boxes in one request, before they are laid out; `interactor.MAX_CLICKS` bounds their cost."""

MAX_COORDINATE = 1e6


class InteractionError(RitmError):
    """A request that cannot be answered; the sentence goes to the caller with status 400."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """What the annotator marked on one frame.

    `positives` and `negatives` are each in the order in which they were made; how the two lists
    interleave is lost on the way. Coordinates are pixels of the frame and may lie off it.
    `threshold` (0..1, exclusive) replaces the predictor's own where it is given.
    """

    positives: tuple[Click, ...] = ()
    negatives: tuple[Click, ...] = ()
    boxes: tuple[Box, ...] = ()
    threshold: float | None = None

    @property
    def count(self) -> int:
        """Clicks and boxes."""
        return len(self.positives) + len(self.negatives) + len(self.boxes)


@dataclass(frozen=True, slots=True)
class InteractionRequest:
    """A frame, still base64 text, and what was marked on it."""

    image: str
    prompts: Prompts


def read_request(body: object) -> InteractionRequest:
    """Read the body of an event.

    Args:
        body: a mapping, or JSON as bytes or text.

    Raises:
        InteractionError: says which field is wrong and how.
    """
    fields = _json_object(body)
    image = fields.get("image")
    if not isinstance(image, str) or not image:
        raise InteractionError("The request holds no image: the field 'image' must be base64 text.")
    return InteractionRequest(image, _read_prompts(fields))


def _read_prompts(fields: Mapping[str, object]) -> Prompts:
    prompts = Prompts(
        positives=tuple(Click(x, y, True) for x, y in _read_pairs(fields, "pos_points")),
        negatives=tuple(Click(x, y, False) for x, y in _read_pairs(fields, "neg_points")),
        boxes=_read_boxes(fields),
        threshold=_read_threshold(fields.get("threshold")),
    )
    if len(prompts.positives) + len(prompts.negatives) + len(prompts.boxes) > MAX_PROMPTS:
        raise InteractionError(f"The request holds more than {MAX_PROMPTS} clicks and boxes.")
    return prompts


def _json_object(body: object) -> Mapping[str, object]:
    if isinstance(body, bytes | str):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise InteractionError("The body is not JSON.") from error
    if not isinstance(body, Mapping):
        raise InteractionError("The body is not a JSON object.")
    return body


def _read_pairs(fields: Mapping[str, object], name: str) -> list[tuple[float, float]]:
    """The field may be missing or null, as CVAT sends it where nothing was drawn."""
    pairs = fields.get(name) or []
    if not isinstance(pairs, list):
        raise InteractionError(f"The field '{name}' is not a list of points.")
    return [_read_pair(pair, name) for pair in pairs]


def _read_pair(pair: object, name: str) -> tuple[float, float]:
    if isinstance(pair, list | tuple) and len(pair) == 2:
        x, y = pair
        if all(is_number(value) and abs(value) <= MAX_COORDINATE for value in (x, y)):
            return float(x), float(y)
    raise InteractionError(f"The field '{name}' holds a point that is not a pair of numbers.")


def _read_boxes(fields: Mapping[str, object]) -> tuple[Box, ...]:
    """Corner pairs, two for each box, any two opposite corners first or last."""
    corners = _read_pairs(fields, "obj_bbox")
    if len(corners) % 2:
        raise InteractionError("The field 'obj_bbox' holds an odd number of corners.")
    return tuple(box_between(*pair) for pair in zip(corners[::2], corners[1::2], strict=True))


def box_between(corner: tuple[float, float], opposite: tuple[float, float]) -> Box:
    """The box between any two opposite corners."""
    (x1, y1), (x2, y2) = corner, opposite
    return Box(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))


def _read_threshold(value: object) -> float | None:
    if not value:
        return None
    if is_number(value) and 0 < value < 1:
        return float(value)
    raise InteractionError("The field 'threshold' is not a number between 0 and 1.")
