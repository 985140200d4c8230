"""Whether a store keeps the promise of conditional writes, which some S3 servers take and pass over."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from ritm_ops.object_store.store import ConflictError, UnconditionalError

PROBE = "conditional-writes"
"""The object that is written to find out; it stays."""

_OTHER_TAG = '"00000000000000000000000000000000"'


def check_conditions(uri: str, write_if: Callable[[str, bytes, str | None], str]) -> None:
    """Try both conditions on an object that is there and is not the one expected.

    Args:
        uri: of the store.
        write_if: that of the store.

    Raises:
        UnconditionalError: the store writes all the same.
        StoreError: it cannot be used.
    """

    def is_refused(etag: str | None) -> bool:
        try:
            write_if(PROBE, secrets.token_bytes(16), etag)
        except ConflictError:
            return True
        return False

    is_refused(None)  # it is there from now on
    if not (is_refused(None) and is_refused(_OTHER_TAG)):
        raise UnconditionalError(
            f"{uri} cannot hold a registry, since its S3 server passes over the conditions of conditional "
            "writes (If-None-Match, If-Match), so that two who write at once both win; use a server that "
            "knows them, such as a newer release of it, or a folder."
        )
