"""What CVAT's browser understands, in the two forms that its versions read.

From 2.62 on: `{"shapes": [{"type": "mask", "points": [run, …, left, top, right, bottom]}]}`, kilobytes for
any frame. Before: `{"mask": H x W list of 0 and 255}`, megabytes, and only one object. Both are written as
JSON text here: the encoder of the standard library would take seconds over the millions of numbers of a
large mask.
"""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt

from cvat_serverless.interactor import Segmentation
from cvat_serverless.settings import AnswerForm
from cvat_serverless.wire import CONFIDENCE_SPEC_ID
from ritm_model.masks.cvat_rle import encode


def write_answer(segmentation: Segmentation, form: AnswerForm, *, with_confidence: bool = False) -> str:
    """Write the objects as JSON text.

    Args:
        segmentation: nothing found gives `{"shapes":[]}` or a mask of zeros, which the browser takes
            for "no shapes", not for an error.
        form: `mask` unites all objects, since it holds a single mask.
        with_confidence: only in the form `shapes`.
    """
    return _shapes_text(segmentation, with_confidence) if form == "shapes" else _mask_text(segmentation)


def _shapes_text(segmentation: Segmentation, with_confidence: bool) -> str:
    shapes = []
    for segment in segmentation.segments:
        # The type must stand there: with a region of interest CVAT shifts every number of a shape
        # without one, runs included.
        shape: dict[str, object] = {"type": "mask", "points": encode(segment.mask)}
        if with_confidence:
            # As text: one number instead and the browser drops all attributes of the shape.
            shape["attributes"] = [{"spec_id": CONFIDENCE_SPEC_ID, "value": f"{segment.confidence:.2f}"}]
        shapes.append(shape)
    return json.dumps({"shapes": shapes}, separators=(",", ":"))


def _mask_text(segmentation: Segmentation) -> str:
    union_HW = np.zeros((segmentation.height, segmentation.width), dtype=np.bool_)
    for segment in segmentation.segments:
        union_HW |= segment.mask
    # Runs are cut out of two long texts, so that no number of the millions is written on its own.
    texts = ("0," * segmentation.width, "255," * segmentation.width)
    blank_row = f"[{texts[False][:-1]}]"
    rows = [
        _row_text(row_W, texts) if is_used else blank_row
        for row_W, is_used in zip(union_HW, np.any(union_HW, axis=1), strict=True)
    ]
    return f'{{"mask":[{",".join(rows)}]}}'


def _row_text(row_W: npt.NDArray[np.bool_], texts: tuple[str, str]) -> str:
    changes = np.flatnonzero(row_W[1:] != row_W[:-1]) + 1
    lengths = np.diff(changes, prepend=0, append=row_W.size).tolist()
    is_set = bool(row_W[0])
    runs = []
    for length in lengths:
        text = texts[is_set]
        runs.append(text[: length * len(text) // row_W.size])
        is_set = not is_set
    return f"[{''.join(runs)[:-1]}]"
