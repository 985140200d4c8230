"""States that several serving processes share: any of them goes on with an object where another stopped."""

from __future__ import annotations

from typing import Protocol

from ritm_model.clicks import Click
from ritm_model.inference.sessions.cache import Start
from ritm_model.inference.state import Image, State


class SharedStates(Protocol):
    """Where processes leave states for each other. Thread-safe; never raises."""

    def longest(
        self, image_key: str, start: Start, clicks: tuple[Click, ...], image: Image, at_least: int
    ) -> State | None:
        """The state after the longest beginning of `clicks`, `at_least` so many, that is there."""

    def add(self, image_key: str, start: Start, state: State) -> None:
        """Leave a state."""
