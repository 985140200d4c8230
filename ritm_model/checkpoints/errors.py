"""The one error of this package."""

from ritm_model.errors import RitmError, shown

__all__ = ["CheckpointError", "shown"]


class CheckpointError(RitmError):
    """A checkpoint is missing, damaged, hostile, or not what it should be."""
