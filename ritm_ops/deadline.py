"""The moment at which something that may wait several times has to be over."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Deadline:
    """A moment of the monotonic clock."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The moment so many seconds from now."""
        return cls(time.monotonic() + seconds)

    def later(self, seconds: float) -> Deadline:
        """The moment so many seconds after this one."""
        return Deadline(self.at + seconds)

    @property
    def has_passed(self) -> bool:
        return time.monotonic() >= self.at

    def remaining(self) -> float:
        """Return the seconds left. Raises TimeoutError when there are none."""
        seconds = self.at - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the deadline has passed")
        return seconds
