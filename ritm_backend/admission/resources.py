"""What all routes of a process share out among themselves."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from ritm_backend.admission.memory import MemoryBudget, decoding_budget
from ritm_backend.admission.places import Admission
from ritm_backend.settings import Settings
from ritm_model.images import Pixels, decode_image, decoding_bytes
from ritm_model.inference.timing import Timings


@dataclass(frozen=True, slots=True)
class Resources:
    """Places to work in, and memory to decode images in."""

    admission: Admission
    memory: MemoryBudget

    @classmethod
    def of(cls, settings: Settings, processes: int = 1) -> Resources:
        """Those of one of so many processes."""
        return cls(
            Admission(settings.threads, settings.queue_seconds), MemoryBudget(decoding_budget(processes))
        )

    def decode(self, data: bytes, max_pixels: int, timings: Timings, deadline: float) -> Pixels:
        """Decode an image file once there is memory for it.

        Args:
            data: the whole file.
            max_pixels: largest width times height.
            timings: receives the stages "memory" and "decode".
            deadline: until when to wait.

        Returns:
            H x W x 3 uint8 RGB.

        Raises:
            ImageError: not an image, damaged or too large.
            BusyError: there was no memory in time.
        """
        with ExitStack() as stack:
            with timings.stage("memory"):
                stack.enter_context(self.memory.hold(decoding_bytes(data, max_pixels=max_pixels), deadline))
            with timings.stage("decode"):
                return decode_image(data, max_pixels=max_pixels)
