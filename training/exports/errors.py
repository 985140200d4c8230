"""The error of this package."""

from ritm_model.errors import RitmError


class ExportError(RitmError):
    """An export that cannot be read, or an image that cannot be had; the sentence names which."""


class NoLabelsError(ExportError):
    """An export that can be read, and has nothing yet that may be used."""
