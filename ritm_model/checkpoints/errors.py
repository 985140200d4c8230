"""The one error of this package, and how names from files are shown in it."""

from ritm_model.errors import RitmError


class CheckpointError(RitmError):
    """A checkpoint is missing, damaged, hostile, or not what it should be."""


def shown(text: object, limit: int = 100) -> str:
    """Text out of an untrusted file: on one line, short, harmless on a terminal and in a log."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text)[:limit])
