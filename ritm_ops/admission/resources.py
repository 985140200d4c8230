"""What all requests of a process share out among themselves."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Protocol

from ritm_model.images import DEFAULT_MAX_PIXELS, ImageError, Pixels, decode_image, decoding_bytes
from ritm_model.inference.timing import Timings
from ritm_ops.admission.memory import MemoryBudget, decoding_budget
from ritm_ops.admission.places import Admission


class Budget(Protocol):
    """Bytes that are waited for; `largest` is what one image may take at most."""

    largest: int

    def hold(self, count: int, deadline: float) -> AbstractContextManager[None]: ...


def decode_within(
    budget: Budget, data: bytes, timings: Timings, deadline: float, *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> Pixels:
    """Decode an image file once there is memory for as many pixels as its header tells of.

    Args:
        budget: what the memory is taken from.
        data: the whole file.
        timings: receives the stages "memory" and "decode".
        deadline: until when to wait.
        max_pixels: largest width times height.

    Returns:
        H x W x 3 uint8 RGB.

    Raises:
        ImageError: not an image, damaged or too large, also for the memory that there is altogether.
        BusyError: there was no memory in time.
    """
    needed = decoding_bytes(data, max_pixels=max_pixels)
    if needed > budget.largest:
        raise ImageError(
            f"The image takes {needed >> 20} MB to be decoded, and of the memory here one may take "
            f"{budget.largest >> 20} MB; use a smaller image, or more memory (RITM_MEMORY_MB)."
        )
    with ExitStack() as stack:
        with timings.stage("memory"):
            stack.enter_context(budget.hold(needed, deadline))
        with timings.stage("decode"):
            return decode_image(data, max_pixels=max_pixels)


@dataclass(frozen=True, slots=True)
class Resources:
    """Places to work in, and memory to decode images in."""

    admission: Admission
    memory: MemoryBudget

    @classmethod
    def of(cls, places: int, wait_seconds: float, memory: int) -> Resources:
        """Those of a process that may use so many bytes.

        Args:
            places: requests that are worked on at the same time.
            wait_seconds: how long a request waits for one at most.
            memory: bytes.
        """
        return cls(Admission(places, wait_seconds), MemoryBudget(decoding_budget(memory)))

    def decode(self, data: bytes, max_pixels: int, timings: Timings, deadline: float) -> Pixels:
        """`decode_within` this memory."""
        return decode_within(self.memory, data, timings, deadline, max_pixels=max_pixels)
