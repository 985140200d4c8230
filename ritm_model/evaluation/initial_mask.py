"""Masks to correct: what a model or a hurried annotator might have left, made from the truth.

The mask of DAVIS-585, for any data set: see `ritm_model.masks.mistakes`. The mistakes depend on the name of
the sample and on its truth alone, so every model corrects the same. Shapes: H x W the image.
"""

from __future__ import annotations

import hashlib

import numpy as np

from ritm_model.masks.mistakes import with_mistakes
from ritm_model.masks.overlap import Mask, Truth
from ritm_model.simulation import OBJECT


def initial_mask(truth_HW: Truth, name: str) -> Mask:
    """A mask with mistakes.

    Args:
        truth_HW: 1 on the object, -1 where nothing counts.
        name: of the sample; the mistakes follow from it.

    Returns:
        H x W bool with an IoU in [0.75, 0.85), False on ignored pixels.

    Raises:
        ValueError: there is no object.
    """
    if not (truth_HW == OBJECT).any():
        raise ValueError(f"{name} has no object.")
    return with_mistakes(truth_HW, np.random.default_rng(list(hashlib.sha256(name.encode()).digest())))
