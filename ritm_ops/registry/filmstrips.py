"""Pictures of held-out objects, click by click, that lie beside a version for people who decide on it."""

from __future__ import annotations

from collections.abc import Mapping

from ritm_ops.object_store import ObjectMissingError, ObjectStore
from ritm_ops.registry.keys import FILMSTRIPS, folder_of
from ritm_ops.registry.records import json_bytes


def write_filmstrips(store: ObjectStore, name: str, version: str, filmstrips: Mapping[str, object]) -> None:
    """Leave them beside a version; those of an earlier attempt are replaced. Raises StoreError."""
    store.write(f"{folder_of(name, version)}/{FILMSTRIPS}", json_bytes(filmstrips))


def read_filmstrips(store: ObjectStore, name: str, version: str) -> bytes | None:
    """The JSON that was left, None if nothing was. Raises StoreError, and RegistryError for no such name."""
    try:
        return store.read(f"{folder_of(name, version)}/{FILMSTRIPS}")
    except ObjectMissingError:
        return None
