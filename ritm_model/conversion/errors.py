"""Errors of conversion that are meant for people."""

from ritm_model.errors import RitmError


class ConversionError(RitmError):
    """Nothing to convert, or nowhere to write to; the sentence names what and where."""
