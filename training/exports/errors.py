"""The error of this package."""

from ritm_model.errors import RitmError


class ExportError(RitmError):
    """An export that cannot be read, or an image that cannot be had; the sentence names which."""
