"""Errors that are meant to be read by who caused them, and how names from files are shown in them."""

import difflib
import re
from collections.abc import Iterable

_ADDRESS = re.compile(r"(https?:/+)(?:[^/\s?#@]*@)?([^\s?#]*)(?:[?#]\S*)?", re.IGNORECASE)
_LONGEST_QUERY = 2000


class RitmError(Exception):
    """Something the user or administrator can put right.

    The message is one plain sentence that says what is wrong and where. It holds no secrets and no
    paths the reader does not know already, so entry points show it as it is, without a traceback.
    """


class CheckpointError(RitmError):
    """A checkpoint is missing, damaged, hostile, or not what it should be."""


class BRSError(RitmError):
    """A mode of BRS that is not known or that the network cannot do, or no SciPy."""


class TrainingError(RitmError):
    """A recipe, a data set or a run that cannot go on; the sentence names what and where."""


def shown(text: object, limit: int = 100) -> str:
    """Text out of an untrusted file: on one line, short, harmless on a terminal and in a log.

    Addresses lose what opens them: users, passwords and queries, which hold signatures.
    """
    public = _ADDRESS.sub(r"\1\2", str(text)[: limit + _LONGEST_QUERY])
    return "".join(letter if letter.isprintable() else "?" for letter in public[:limit])


def suggestion(name: str, known: Iterable[str]) -> str:
    """The known name that is most like another one, in brackets and after a space; nothing if none is."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""
