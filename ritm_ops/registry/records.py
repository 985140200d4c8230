"""What the files of the registry say, and how they are compared with what they should be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from ritm_model.errors import RitmError
from ritm_model.files import reading
from ritm_model.values import Value

_CHUNK = 1 << 20


class RegistryError(RitmError):
    """There is no such model or version, or what lies there is damaged."""


class RefusedError(RegistryError):
    """People have decided against a version, so it does not become live by itself."""


class FileEntry(Value):
    """One file of a version: its size in bytes and its hash."""

    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(Value):
    """A published version."""

    format_version: Literal[1] = 1
    name: str
    version: str
    published_at: datetime
    files: dict[str, FileEntry]


class Change(Value):
    """The live version changed.

    `noc_before` and `noc_after` are mean clicks on the held-out objects, as the report of `version` has them.
    """

    kind: Literal["promote", "rollback"]
    version: str
    previous: str | None
    at: datetime
    by: str
    why: str = ""
    noc_before: float | None = None
    noc_after: float | None = None


class LiveModel(Value):
    """The live version of a model, and how it came to be: the newest change last."""

    format_version: Literal[1] = 1
    name: str
    version: str
    history: tuple[Change, ...]


class Decision(Value):
    """What was decided of the version with these weights; `open` if an approval has come to nothing."""

    format_version: Literal[1] = 1
    kind: Literal["approved", "rejected", "open"] = "rejected"
    version: str
    at: datetime
    by: str
    why: str = ""


RecordT = TypeVar("RecordT", bound=Value)


def parsed(data: bytes, kind: type[RecordT], key: str, uri: str) -> RecordT:
    """Read a record. Raises RegistryError for anything else at this key of this store."""
    try:
        return kind.model_validate_json(data)
    except ValidationError:
        raise RegistryError(f"{key} in {uri} is damaged, or not of this registry.") from None


def json_object(data: bytes, source: str) -> dict[str, object]:
    """Read an object. Raises RegistryError for anything else."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RegistryError(f"{source} is not a JSON object.")
    return value


def number_of(report: Mapping[str, object], name: str) -> float | None:
    """A number of a report; None if it has no such number."""
    value = report.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def json_bytes(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def entry_of_file(path: Path) -> FileEntry:
    """Size and hash of a file. Raises RegistryError where it cannot be read."""
    digest, size = hashlib.sha256(), 0
    with reading(path, RegistryError), path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return FileEntry(size=size, sha256=digest.hexdigest())


def entry_of_bytes(data: bytes) -> FileEntry:
    return FileEntry(size=len(data), sha256=hashlib.sha256(data).hexdigest())
