"""What every reader and writer of CVAT's JSON has to know."""

from __future__ import annotations

from typing import TypeGuard

CONFIDENCE_SPEC_ID = 0
"""The attribute of a shape that holds the model's confidence."""


def is_number(value: object) -> TypeGuard[int | float]:
    """JSON as Python reads it may hold NaN, infinities and integers beyond any float; these pass, too."""
    return isinstance(value, int | float) and not isinstance(value, bool)
