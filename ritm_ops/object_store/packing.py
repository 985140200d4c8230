"""All objects of a store as one stream, for backups, and back again."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import IO

from ritm_ops.object_store.store import OWN_NAMES, ObjectMissingError, ObjectStore, StoreError

CONTENTS = f"{OWN_NAMES}contents.json"
"""The last entry: SHA-256 of each object by key, by which a stream that breaks off is known."""


class PackError(StoreError):
    """What is to be unpacked is no pack, is damaged, or breaks off."""


def pack(store: ObjectStore, file: IO[bytes]) -> int:
    """Write every object into a tar archive, one after the other; each is held in memory.

    Objects may come and go meanwhile. What a registry's pointer names is packed too, since the pointer comes
    before the versions, which never change.

    Args:
        store: where from.
        file: is only written to, so it may be a pipe.

    Returns:
        How many there are.
    """
    contents: dict[str, str] = {}
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for entry in store.list():
            try:
                data = store.read(entry.key)
            except ObjectMissingError:
                continue  # removed meanwhile
            _add(archive, entry.key, data)
            contents[entry.key] = hashlib.sha256(data).hexdigest()
        _add(archive, CONTENTS, json.dumps(contents).encode())
    return len(contents)


def unpack(file: IO[bytes], store: ObjectStore) -> int:
    """Write every object of a pack; objects of other keys stay as they are.

    Args:
        file: is only read from its start to its end, so it may be a pipe.
        store: where to.

    Returns:
        How many there are.

    Raises:
        PackError: not a pack, or not a whole one. Objects that came before the fault have been written.
    """
    found: dict[str, str] = {}
    expected = None
    try:
        with tarfile.open(fileobj=file, mode="r|") as archive:
            for entry in archive:
                stream = archive.extractfile(entry)
                if stream is None:
                    raise PackError(f"This is no backup of objects: {entry.name!r} in it is no file.")
                data = stream.read()
                if entry.name == CONTENTS:
                    expected = json.loads(data)
                    break
                store.write(entry.name, data)
                found[entry.name] = hashlib.sha256(data).hexdigest()
    except (tarfile.TarError, ValueError):
        raise PackError("This is no backup of objects, or it is damaged.") from None
    if found != expected:
        raise PackError("The backup of objects breaks off, or is damaged: not all of them were in it.")
    return len(found)


def copy(source: ObjectStore, target: ObjectStore) -> int:
    """Write every object of one store into another, by the same key; objects of other keys stay as they are.

    Returns:
        How many there are.
    """
    count = 0
    for entry in source.list():
        target.write(entry.key, source.read(entry.key))
        count += 1
    return count


def _add(archive: tarfile.TarFile, key: str, data: bytes) -> None:
    entry = tarfile.TarInfo(key)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
