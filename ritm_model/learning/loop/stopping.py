"""Runs that are told to end, by SIGTERM of a scheduler or by Ctrl-C, and leave a checkpoint first."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class RunStopped(BaseException):
    """A run was told to end; like KeyboardInterrupt no Exception, so that nobody takes it for a fault.

    Attributes:
        signal: the number of what told it.
        step: steps that are done and in the checkpoint, None where there was nothing to save.
        steps: of the whole run.
        exit_code: of the process.
    """

    def __init__(self, signal_number: int, step: int | None = None, steps: int = 0) -> None:
        self.signal, self.step, self.steps = signal_number, step, steps
        name = signal.Signals(signal_number).name
        where = "while it was starting" if step is None else f"after step {step} of {steps}"
        go_on = "starts it again" if step is None else "goes on from there"
        self.exit_code = 128 + signal_number  # as shells say it
        super().__init__(f"The run was ended by {name} {where}. The same command {go_on}.")


class Stop:
    """Whether a run has been told to end.

    It then ends at once, by `RunStopped`, unless it is in the middle of something that is `deferring` it.

    Attributes:
        signal: the number of the signal that told it first, None where nobody has.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._defers = False

    def ask(self, signal_number: int, _frame: FrameType | None = None) -> None:
        """Tell it: a handler of signals. Who is told twice, as by a shell and by a launcher, ends once."""
        if self.signal is not None:
            return
        self.signal = signal_number
        if not self._defers:
            raise RunStopped(signal_number)

    @contextmanager
    def deferring(self) -> Iterator[None]:
        """Within the block it goes on, and has to look at `signal` itself."""
        before, self._defers = self._defers, True
        try:
            yield
        finally:
            self._defers = before

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within the block, which may be one that `deferring` holds, it ends at once."""
        before, self._defers = self._defers, False
        try:
            if self.signal is not None:
                raise RunStopped(self.signal)
            yield
        finally:
            self._defers = before


@contextmanager
def stop_on(signals: Sequence[signal.Signals] = SIGNALS) -> Iterator[Stop]:
    """Within the block, signals tell a run to end. To be called in the main thread."""
    stop = Stop()
    before = {number: signal.signal(number, stop.ask) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_signals_to_parent() -> None:
    """Let a worker go on when its whole process group is told to end: its parent ends it."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
