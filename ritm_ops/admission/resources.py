"""What all requests of a process share out among themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ritm_model.images import DEFAULT_MAX_PIXELS, ImageError, Pixels, decode_image, decoding_bytes
from ritm_model.inference.timing import Timings
from ritm_ops.admission.lanes import LARGE_BYTES, Budget, DecodingMemory
from ritm_ops.admission.low_priority import at_low_priority
from ritm_ops.admission.memory import MemoryBudget, decoding_budget
from ritm_ops.admission.places import Admission, BusyError

_SHARE_OF_FILES = 8  # one part in so many of the memory is for files of large images that wait
_MOST_FILES = 64
_SHARE_OF_BODIES = 8
_SHARE_OF_MASKS = 8


class Reader(Protocol):
    """Decodes an image file of at most so many pixels."""

    def __call__(self, data: bytes, *, max_pixels: int) -> Pixels: ...


def _anywhere(_: int) -> AbstractContextManager[None]:
    return nullcontext()


def decode_within(
    budget: Budget,
    data: bytes,
    timings: Timings,
    deadline: float,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    where: Callable[[int], AbstractContextManager[None]] = _anywhere,
    read: Reader = decode_image,
) -> Pixels:
    """Decode an image file once there is memory for as many pixels as its header tells of.

    One that may take seconds is decoded at low priority.

    Args:
        budget: what the memory is taken from.
        data: the whole file.
        timings: receives the stages "memory" and "decode".
        deadline: until when to wait.
        max_pixels: largest width times height.
        where: given the bytes that it takes, entered for as long as the image waits and is decoded.
        read: decodes it.

    Returns:
        what `read` gives: H x W x 3 uint8 RGB.

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
        stack.enter_context(where(needed))
        with timings.stage("memory"):
            stack.enter_context(budget.hold(needed, deadline))
        with timings.stage("decode"):
            decode = partial(read, data, max_pixels=max_pixels)
            return at_low_priority(decode) if needed > LARGE_BYTES else decode()


@dataclass(frozen=True, slots=True)
class Resources:
    """Places to work in, and memory to decode images in.

    Attributes:
        admission: hands out the places.
        memory: for decoding.
        files: for the files of large images that wait without a place.
        bodies: for what large requests say, once they are read.
        masks: for those of large pictures. Whoever wants it holds a decoded picture, and so must not wait for
            others who are going to decode one.
    """

    admission: Admission
    memory: DecodingMemory
    files: MemoryBudget
    bodies: MemoryBudget
    masks: MemoryBudget

    @classmethod
    def of(cls, places: int, wait_seconds: float, memory: int) -> Resources:
        """Those of a process that may use so many bytes.

        Args:
            places: requests that are worked on at the same time.
            wait_seconds: how long a request waits for one at most.
            memory: bytes.
        """
        return cls(
            Admission(places, wait_seconds),
            DecodingMemory.of_process(decoding_budget(memory)),
            MemoryBudget(memory // _SHARE_OF_FILES),
            MemoryBudget(memory // _SHARE_OF_BODIES),
            MemoryBudget(memory // _SHARE_OF_MASKS),
        )

    def decode(
        self,
        data: bytes,
        max_pixels: int,
        timings: Timings,
        deadline: float,
        read: Reader = decode_image,
    ) -> Pixels:
        """`decode_within` this memory. A large image needs no place from here on, if its request has one."""

        @contextmanager
        def without_place(needed: int) -> Iterator[None]:
            with ExitStack() as stack:
                if self.memory.is_large(needed) and self._can_wait(data, stack):
                    self.admission.leave_early()
                yield

        return decode_within(
            self.memory, data, timings, deadline, max_pixels=max_pixels, where=without_place, read=read
        )

    def _can_wait(self, data: bytes, stack: ExitStack) -> bool:
        """Whether there is memory for one more file that waits; if so, it is held by the stack."""
        try:
            stack.enter_context(self.files.hold(max(len(data), self.files.total // _MOST_FILES), 0))
        except BusyError:
            return False
        return True
