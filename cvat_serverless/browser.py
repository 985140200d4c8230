"""What becomes of an interactor's answer on its way to the annotator: CVAT's own rules, as a checker.

`through_region` is the server's part, which moves the answer for a crop back into the whole frame;
`shown_shapes` is the browser's. Both are the rules of CVAT 2.62 and later, and neither forgives: what CVAT
drops, misplaces or stumbles over raises `AnswerError`, even where the annotator would see no message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cvat_serverless.wire import CONFIDENCE_SPEC_ID, has_outline, is_number
from ritm_model.errors import RitmError
from ritm_model.masks.cvat_rle import BOX_LENGTH, MaskRleError, decode


class AnswerError(RitmError):
    """An answer that CVAT's browser cannot show as it was meant."""


@dataclass(frozen=True, slots=True)
class ShownShape:
    """A mask on the annotator's screen, bool H x W, and the confidence beside it (1 where none came)."""

    mask: npt.NDArray[np.bool_]
    confidence: float


def shown_shapes(answer: object, *, width: int, height: int) -> list[ShownShape]:
    """Turn an answer into what the browser shows.

    Args:
        answer: the parsed JSON of the function.
        width: of the frame in pixels.
        height: of the frame in pixels.

    Returns:
        The shapes; an empty list is the browser's "No shapes to display".

    Raises:
        AnswerError: says what the browser makes of the answer.
    """
    if not isinstance(answer, Mapping) or not ("mask" in answer or "shapes" in answer):
        raise AnswerError(
            "The answer has neither 'shapes' nor 'mask': the browser stops with 'shapes is not iterable'."
        )
    if "mask" in answer:
        # It wins over 'shapes' where both are there.
        mask_HW = _whole_frame_mask(answer["mask"], width, height)
        return [ShownShape(_with_outline(mask_HW), 1.0)] if mask_HW.any() else []
    return [_shown_shape(shape, width, height) for shape in _shapes(answer)]


def _shapes(answer: Mapping[str, object]) -> list[Mapping[str, object]]:
    shapes = answer["shapes"]
    if not isinstance(shapes, list):
        raise AnswerError("'shapes' is not a list: the browser stops with 'shapes is not iterable'.")
    if not all(isinstance(shape, Mapping) for shape in shapes):
        raise AnswerError("A shape is not an object.")
    return shapes


def _points(shape: Mapping[str, object]) -> list[float]:
    points = shape.get("points")
    if not isinstance(points, list) or not all(is_number(point) for point in points):
        raise AnswerError("A shape has no list of numbers as its points.")
    return points


def _whole_frame_mask(rows: object, width: int, height: int) -> npt.NDArray[np.bool_]:
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], list):
        raise AnswerError(
            "'mask' has no rows: the browser stops with 'Cannot read properties of undefined'."
            " Nothing found is a mask of zeros of the frame's size."
        )
    widths = {len(row) if isinstance(row, list) else -1 for row in rows}
    if widths != {width} or len(rows) != height:
        raise AnswerError(
            f"'mask' is not {width} x {height}, the size of the frame:"
            " the browser puts it into the wrong place."
        )
    try:
        values_HW = np.asarray(rows)
    except (ValueError, OverflowError) as error:
        raise AnswerError("'mask' is not made of numbers alone.") from error
    if values_HW.ndim != 2 or values_HW.dtype.kind not in "iuf":
        raise AnswerError("'mask' is not made of numbers alone.")
    levels = set(np.unique(values_HW).tolist())
    if not (levels <= {0, 255} or levels <= {0, 1}):
        raise AnswerError("'mask' holds soft values: the browser takes each change for an edge.")
    return values_HW.astype(np.bool_)


def _shown_shape(shape: Mapping[str, object], width: int, height: int) -> ShownShape:
    kind = shape.get("type")
    if kind is None:
        raise AnswerError("A shape has no type: with a region of interest CVAT shifts its runs too.")
    if kind != "mask":
        raise AnswerError(f"A shape has the type '{kind}': the browser shows masks only.")
    try:
        mask_HW = decode(_points(shape), width=width, height=height)
    except MaskRleError as error:
        raise AnswerError(f"{error} The browser draws garbage or nothing.") from error
    return ShownShape(_with_outline(mask_HW), _confidence(shape.get("attributes", [])))


def _with_outline(mask_HW: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    if not has_outline(mask_HW):
        raise AnswerError("A mask is empty or a speck without an outline: the browser drops it.")
    return mask_HW


def _confidence(attributes: object) -> float:
    if not isinstance(attributes, list):
        raise AnswerError("The attributes of a shape are not a list.")
    confidence = 1.0
    for attribute in attributes:
        spec_id = attribute.get("spec_id") if isinstance(attribute, Mapping) else None
        value = attribute.get("value") if isinstance(attribute, Mapping) else None
        if not is_number(spec_id) or not isinstance(value, str):
            raise AnswerError(
                "An attribute is not a number 'spec_id' with a text 'value':"
                " the browser drops all attributes of the shape."
            )
        if spec_id == CONFIDENCE_SPEC_ID:
            confidence = _parse_confidence(value)
    return confidence


def _parse_confidence(text: str) -> float:
    try:
        confidence = float(text)
    except ValueError:
        confidence = -1.0
    if not 0 <= confidence <= 1:
        raise AnswerError(f"The confidence '{text}' is not a number between 0 and 1.")
    return confidence


def through_region(
    answer: object, region: tuple[int, int, int, int], *, width: int, height: int
) -> dict[str, object]:
    """Move the answer for a crop into the whole frame, as CVAT's server does from 2.70 on.

    Args:
        answer: the parsed JSON of the function for the crop.
        region: left, top, right, bottom of the crop, half-open.
        width: of the whole frame.
        height: of the whole frame.

    Raises:
        AnswerError: the server cannot place the answer.
    """
    left, top, right, bottom = region
    if not isinstance(answer, Mapping):
        raise AnswerError("The answer is not a JSON object.")
    moved = dict(answer)
    if "mask" in answer:
        crop_HW = _whole_frame_mask(answer["mask"], right - left, bottom - top)
        frame_HW = np.zeros((height, width), dtype=np.uint8)
        frame_HW[top:bottom, left:right] = crop_HW * np.uint8(255)
        moved["mask"] = frame_HW.tolist()
    if "shapes" in answer:
        moved["shapes"] = [_moved_shape(shape, left, top) for shape in _shapes(answer)]
    return moved


def _moved_shape(shape: Mapping[str, object], dx: int, dy: int) -> dict[str, object]:
    kind = shape.get("type")
    if kind == "tag":
        return dict(shape)
    points = list(_points(shape))
    first = max(len(points) - BOX_LENGTH, 0) if kind == "mask" else 0
    for index in range(first, len(points)):
        points[index] += dy if (index - first) % 2 else dx
    return {**shape, "points": points}
