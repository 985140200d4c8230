"""The memory for decoding that processes of a machine share, as tests see it."""

from __future__ import annotations

from ritm_ops.admission import BusyError, DecodingMemory

MEMORY_MB = 96
TOTAL = MEMORY_MB * 2**20 // 4
LARGE = TOTAL // 4 + 1
"""Bytes of the smallest frame in the lane of large ones."""


def is_free(budget: DecodingMemory) -> bool:
    """Whether nobody waits for memory for a large frame."""
    try:
        with budget.hold(LARGE, 0):
            return True
    except BusyError:
        return False
