"""Memory for decoding in two lanes, so that small images pass large ones."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from ritm_ops.admission.memory import MemoryBudget, largest_of
from ritm_ops.admission.slots import SharedBudget

LARGE_BYTES = 512 << 20
"""What an image of about 55 megapixels takes; decoding a larger one may take seconds."""

_SHARE_OF_SMALL = 4  # one part in so many of the memory is kept for small images


class Budget(Protocol):
    """Bytes that are waited for; `largest` is what one image may take at most."""

    largest: int

    def hold(self, count: int, deadline: float) -> AbstractContextManager[None]: ...


class DecodingMemory:
    """A quarter is for small images, the rest for large ones; in each lane it is first come first served.

    An image is large if it takes more than that quarter, or more than `LARGE_BYTES`. Neither kind ever
    waits for the other.

    Args:
        total: bytes.
        lane: makes the budget of a lane, from its name and bytes.

    Attributes:
        largest: more than that nobody should ask for.
    """

    def __init__(self, total: int, lane: Callable[[str, int], Budget]) -> None:
        small = total // _SHARE_OF_SMALL
        self.largest = largest_of(total)
        self._most_small = min(small, LARGE_BYTES)
        self._small = lane("small", small)
        self._large = lane("large", total - small)

    @classmethod
    def of_process(cls, total: int) -> DecodingMemory:
        """For the threads of one process."""
        return cls(total, lambda _, count: MemoryBudget(count))

    @classmethod
    def of_machine(cls, total: int, folder: Path) -> DecodingMemory:
        """For all processes that name the same folder, and the same bytes."""
        folder.mkdir(mode=0o700, exist_ok=True)
        return cls(total, lambda name, count: SharedBudget(count, folder / name))

    def is_large(self, count: int) -> bool:
        """Whether an image that takes so many bytes waits in the lane of large ones."""
        return count > self._most_small

    def hold(self, count: int, deadline: float) -> AbstractContextManager[None]:
        """Wait for so many bytes and have them until the block ends.

        Raises:
            BusyError: there were none until the deadline.
        """
        return (self._large if self.is_large(count) else self._small).hold(count, deadline)
