"""Whether a version may become live by itself: one record for its weights, so that one decision stands.

Approving claims the record before it changes what is live, and rejecting writes the same record, both on
condition. Of two who decide at the same instant one is told what the other has decided.
"""

from __future__ import annotations

import getpass
import socket
from contextlib import suppress
from datetime import datetime, timezone
from typing import Literal

from ritm_ops.object_store import ConflictError, ObjectMissingError, ObjectStore
from ritm_ops.registry.keys import decision_key
from ritm_ops.registry.records import Change, Decision, json_bytes, parsed

_ATTEMPTS = 5


class Decisions:
    """The decisions of a registry. Thread-safe; every method may raise StoreError, too."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def standing(self, name: str, sha256: str) -> Decision | None:
        """What was decided of the version with these weights; None if nothing is."""
        decision, _ = self._read(decision_key(name, sha256))
        return decision

    def make(self, name: str, sha256: str, decision: Decision) -> tuple[Decision, str]:
        """Decide, if nobody has.

        Returns:
            The decision that stands now, and the tag of its record.

        Raises:
            ConflictError: too many decide at once.
        """
        key = decision_key(name, sha256)
        for _ in range(_ATTEMPTS):
            there, etag = self._read(key)
            if there is not None:
                return there, str(etag)
            with suppress(ConflictError):  # somebody was faster: see what they have decided
                return decision, self._write(key, decision, etag)
        raise ConflictError(f"Too many decide on {decision.version} at once; try again.")

    def replace(self, name: str, sha256: str, decision: Decision, etag: str) -> None:
        """Decide anew, if the record is still the one with this tag. Raises ConflictError."""
        self._write(decision_key(name, sha256), decision, etag)

    def _read(self, key: str) -> tuple[Decision | None, str | None]:
        try:
            data, etag = self._store.read_tagged(key)
        except ObjectMissingError:
            return None, None
        found = parsed(data, Decision, key, self._store.uri)
        return (None if found.kind == "open" else found), etag

    def _write(self, key: str, decision: Decision, etag: str | None) -> str:
        return self._store.write_if(key, json_bytes(decision.model_dump(mode="json")), etag)


def decision_of(kind: Literal["approved", "rejected"], version: str, by: str, why: str) -> Decision:
    """A decision that is taken now; `by` left empty, by the user and machine of this process."""
    return Decision(kind=kind, version=version, at=now(), by=by or whoever_runs_this(), why=why)


def told(what: str, decision: Change | Decision) -> str:
    """A sentence: what happened, who did it, when and why."""
    why = f" ({decision.why})" if decision.why else ""
    return f"{what} by {decision.by} on {decision.at:%Y-%m-%d}{why}."


def now() -> datetime:
    return datetime.now(timezone.utc)


def whoever_runs_this() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
