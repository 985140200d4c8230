"""The options of each project, as Label Studio sends them with `/setup`.

Any process may get the message, and all must know it. So they share a place: replicas the folder that
`RITM_PROJECTS_FOLDER` names or else the Redis of `SESSION_STORE`, the workers of one server without these a
folder of its own. Whatever was never told, or was lost with a restart, has its defaults until a page of the
project is loaded again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Protocol

from ritm_backend.label_studio.options import ProjectOptions, read_options
from ritm_backend.settings import Settings
from ritm_model.errors import RitmError
from ritm_model.files import write_file
from ritm_ops.redis_link import RedisAwayError, RedisLink

FOLDER_VARIABLE = "RITM_PROJECTS_DIR"  # set by the server for its workers
OBJECTS_VARIABLE = "RITM_OBJECTS_DIR"  # also; see `ritm_backend/accepted/notes.py`
MOST_PROJECTS = 10_000

_REDIS_KEY = "ritm:projects"  # one hash, which does not expire


class SharingError(RitmError):
    """The place that processes share is out of reach, or full."""


class Shelf(Protocol):
    """A place that processes share: texts by name."""

    def read(self, name: str) -> bytes | None:
        """What was left under a name, None if nothing was. Raises SharingError."""

    def leave(self, name: str, data: bytes) -> None:
        """Leave something under a name. Raises SharingError."""


class FolderShelf:
    """A folder that the workers of one server share, a file for each project."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SharingError(f"The options of projects cannot be read: {error.strerror}.") from None

    def leave(self, name: str, data: bytes) -> None:
        try:
            if not (self._folder / name).exists() and sum(1 for _ in self._folder.iterdir()) >= MOST_PROJECTS:
                raise SharingError("Too many projects have options of their own.")
            write_file(self._folder / name, data)
        except OSError as error:
            raise SharingError(
                f"Other workers are not told of the project's options: {error.strerror}."
            ) from None


class RedisShelf:
    """Redis, shared by all replicas."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    def read(self, name: str) -> bytes | None:
        try:
            found = self._link.ask(lambda redis: redis.hget(_REDIS_KEY, name))
        except RedisAwayError as error:
            raise SharingError(f"The options of projects cannot be read: {error}") from None
        return found if isinstance(found, bytes) else None

    def leave(self, name: str, data: bytes) -> None:
        try:
            is_known, count = self._link.ask(
                lambda redis: (redis.hexists(_REDIS_KEY, name), redis.hlen(_REDIS_KEY))
            )
            if not is_known and count >= MOST_PROJECTS:
                raise SharingError("Too many projects have options of their own.")
            self._link.ask(lambda redis: redis.hset(_REDIS_KEY, name, data))
        except RedisAwayError as error:
            raise SharingError(f"Other servers are not told of the project's options: {error}") from None


class Projects:
    """Options by project. Thread-safe.

    While the shelf is out of reach, each process goes by what it knew last, and tells the others later what
    it was told meanwhile.

    Args:
        shelf: shared with other processes; without, this process knows only what it was told itself.
    """

    def __init__(self, shelf: Shelf | None = None) -> None:
        self._shelf = shelf
        self._known: dict[str, ProjectOptions] = {}
        self._untold: set[str] = set()
        self._lock = Lock()

    def set_up(self, body: object) -> list[str]:
        """Keep the options of a `/setup` message; returns what is wrong with them."""
        if not isinstance(body, Mapping) or not isinstance(body.get("project"), str):
            return []
        options, notes = read_options(body.get("extra_params"))
        name = _name(str(body["project"]))
        self._remember(name, options)
        return notes + self._tell(name, options)

    def options(self, project: object) -> ProjectOptions:
        """The options of a project, or the defaults."""
        if not isinstance(project, str):
            return ProjectOptions()
        name = _name(project)
        with self._lock:
            known, is_untold = self._known.get(name, ProjectOptions()), name in self._untold
        if is_untold:
            self._tell(name, known)
            return known
        try:
            found = self._found(name)
        except SharingError:
            return known
        if found is None:
            return known
        self._remember(name, found)
        return found

    def _tell(self, name: str, options: ProjectOptions) -> list[str]:
        """Leave the options for other processes, unless they know them; returns why that was not possible."""
        if self._shelf is None:
            return []
        try:
            if (self._found(name) or ProjectOptions()) != options:
                self._shelf.leave(name, options.model_dump_json().encode())
        except SharingError as error:
            with self._lock:
                self._untold.add(name)
            return [str(error)]
        with self._lock:
            self._untold.discard(name)
        return []

    def _found(self, name: str) -> ProjectOptions | None:
        """What another process may have left; None where nobody was told."""
        data = self._shelf.read(name) if self._shelf else None
        try:
            return read_options(json.loads(data))[0] if data else None
        except ValueError:
            return None

    def _remember(self, name: str, options: ProjectOptions) -> None:
        with self._lock:
            if name in self._known or len(self._known) < MOST_PROJECTS:
                self._known[name] = options


def shared_projects(settings: Settings) -> Projects:
    """The options that all processes share which answer for the same address.

    Raises:
        RitmError: `SESSION_STORE` names no Redis, or its client is not installed.
    """
    if settings.projects_folder is None and settings.session_store is not None:
        url = settings.session_store.get_secret_value()
        return Projects(RedisShelf(RedisLink(url, "projects are answered as they were before.")))
    folder = os.environ.get(FOLDER_VARIABLE)
    return Projects(FolderShelf(Path(folder)) if folder else None)


def _name(project: str) -> str:
    return sha256(project.encode(errors="surrogatepass")).hexdigest()[:32]
