"""SIGTERM to the process of a job: what is done is kept, and the job goes back to the queue."""

from __future__ import annotations

from types import FrameType


class Leaving(BaseException):
    """This process was told to end; like KeyboardInterrupt no Exception, so nobody takes it for a fault."""


def leave(_signal: int, _frame: FrameType | None) -> None:
    """Leave at once: a handler of SIGTERM for stages that keep what they have as they go."""
    raise Leaving
