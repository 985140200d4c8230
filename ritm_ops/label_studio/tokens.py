"""The Label Studio token as an Authorization header.

A legacy token is sent as it is. A personal access token is a refresh token: Label Studio exchanges it for an
access token that is valid for five minutes, which is kept a little shorter than that.
"""

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable

from pydantic import SecretStr

from ritm_ops.deadline import Deadline

# Asks Label Studio for an access token: (personal access token, deadline) -> access token.
Exchange = Callable[[str, Deadline], str]

_ACCESS_SECONDS = 240.0


class LabelStudioToken:
    """Makes Authorization headers for one configured token; thread-safe.

    Args:
        token: legacy token, personal access token, or an access token itself.
        exchange: called by one thread at a time when a personal access token needs a new access token.
        clock: seconds, monotonic.
    """

    def __init__(
        self, token: SecretStr, exchange: Exchange, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._token = token
        self._exchange = exchange
        self._clock = clock
        self._lock = threading.Lock()
        self._access: tuple[str, float] | None = None  # header, the time it expires
        kind = token_type(token.get_secret_value())
        self.is_personal = kind == "refresh"
        self._scheme = "Token" if kind is None else "Bearer"

    def header(self, deadline: Deadline, refused: str | None = None) -> str:
        """Return the value of the Authorization header.

        Args:
            deadline: end of the fetch that needs it, also while another thread is asking Label Studio.
            refused: a header that was just answered with 401; another one is returned if there can be one.

        Raises:
            TimeoutError: not before the deadline.
            RitmError: what `exchange` raises, where Label Studio gives no access token.
        """
        if not self.is_personal:
            return f"{self._scheme} {self._token.get_secret_value()}"
        if not self._lock.acquire(timeout=deadline.remaining()):
            raise TimeoutError("Label Studio has given no access token in time")
        try:
            if self._access and self._access[0] != refused and self._clock() < self._access[1]:
                return self._access[0]
            header = f"Bearer {self._exchange(self._token.get_secret_value(), deadline)}"
            self._access = header, self._clock() + _ACCESS_SECONDS
            return header
        finally:
            self._lock.release()


def token_type(token: str) -> str | None:
    """Return the `token_type` of a JWT ("refresh", "access"; "" if it has none), None for anything else."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    return str(payload.get("token_type", "")) if isinstance(payload, dict) else None
