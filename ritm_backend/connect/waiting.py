"""Waiting until a stack that is starting answers."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ritm_ops.label_studio.client import LabelStudioClient, LabelStudioError

_PAUSE_S = 2.0


@dataclass(frozen=True)
class Patience:
    """How long somebody is willing to wait.

    Attributes:
        deadline: when they no longer are, of `time.monotonic`.
    """

    deadline: float = 0.0

    @classmethod
    def of(cls, seconds: float) -> Patience:
        return cls(time.monotonic() + seconds)

    def pause(self) -> bool:
        """Wait a little; False at once where there is no time left."""
        if time.monotonic() + _PAUSE_S > self.deadline:
            return False
        time.sleep(_PAUSE_S)
        return True


def wait_for_label_studio(client: LabelStudioClient, patience: Patience) -> None:
    """Return as soon as Label Studio answers and knows the token's user, who is made after its first page.

    Raises:
        LabelStudioError: it still does not in the end; why not.
    """
    while True:
        try:
            client.call("GET", "/api/current-user/whoami")
            return
        except LabelStudioError:  # noqa: PERF203  (it waits)
            if not patience.pause():
                raise
