"""The memory for decoding that processes of a machine share, as tests see it."""

from __future__ import annotations

from ritm_ops.admission import BusyError, SharedBudget


def is_free(budget: SharedBudget) -> bool:
    """Whether nobody holds or waits for memory."""
    try:
        with budget.hold(0, 0):
            return True
    except BusyError:
        return False
