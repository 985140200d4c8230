"""SIGTERM to the process of a job: what is done is kept, and the job goes back to the queue."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from ritm_model.learning.loop.callbacks import Callback
from ritm_model.learning.loop.trainer import Trainer


class Leaving(BaseException):
    """This process was told to end; like KeyboardInterrupt no Exception, so nobody takes it for a fault."""


def leave(_signal: int, _frame: FrameType | None) -> None:
    """Leave at once: a handler of SIGTERM for stages that keep what they have as they go."""
    raise Leaving


class LeaveAfterStep(Callback):
    """While this is open, SIGTERM waits for the step that is being learnt, and for its checkpoint."""

    def __init__(self) -> None:
        self._is_asked = False
        self._before: Any = None

    def __enter__(self) -> LeaveAfterStep:
        self._before = signal.signal(signal.SIGTERM, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)

    def after_step(self, trainer: Trainer) -> None:
        if self._is_asked:
            trainer.save()
            raise Leaving

    def after_epoch(self, _trainer: Trainer) -> None:
        if self._is_asked:  # the end of an epoch has saved everything
            raise Leaving

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        self._is_asked = True
