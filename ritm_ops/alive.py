"""Whether a process without a port is at work: it renews a file, and a health check asks how old that is.

    python -m ritm_ops.alive FILE SECONDS

ends with 1 where nobody has renewed the file within so many seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ritm_model.errors import RitmError


class AliveError(RitmError):
    """A file that cannot be renewed."""


def renew(path: Path | None) -> None:
    """Say that the process is at work now; for None nobody asks.

    Raises:
        AliveError: the file cannot be written.
    """
    if path is None:
        return
    try:
        path.touch()
    except OSError as error:
        raise AliveError(f"{path} cannot be renewed: {error.strerror}.") from error


def trouble(path: Path, seconds: float) -> str | None:
    """What is wrong with the process that renews a file, in a sentence; None if it has done so lately."""
    try:
        age = time.time() - path.stat().st_mtime
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}."
    return None if age <= seconds else f"{path} was renewed {age:.0f} seconds ago, for the last time."


def main(arguments: Sequence[str]) -> str | None:
    """What to say before ending with 1, or None."""
    try:
        file, seconds = arguments
        return trouble(Path(file), float(seconds))
    except ValueError:
        return "Usage: python -m ritm_ops.alive FILE SECONDS"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
