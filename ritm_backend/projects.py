"""The options of each project, as Label Studio sends them with `/setup`.

Any worker may get the message, and all must know it: so it lies in a folder that they share, a file for each
project. Whatever was never told, or was lost with a restart, has its defaults until the page is loaded again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from threading import Lock

from ritm_backend.label_studio.options import ProjectOptions, read_options
from ritm_model.files import write_file

FOLDER_VARIABLE = "RITM_PROJECTS_DIR"  # set by the server for its workers
OBJECTS_VARIABLE = "RITM_OBJECTS_DIR"  # also; see `ritm_backend/accepted/notes.py`
MOST_PROJECTS = 10_000


class Projects:
    """Options by project. Thread-safe.

    Args:
        folder: shared with other processes; without, this process knows only what it was told itself.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[str, ProjectOptions] = {}
        self._lock = Lock()

    def set_up(self, body: object) -> list[str]:
        """Keep the options of a `/setup` message; returns what is wrong with them."""
        if not isinstance(body, Mapping) or not isinstance(body.get("project"), str):
            return []
        options, notes = read_options(body.get("extra_params"))
        name = _name(str(body["project"]))
        with self._lock:
            if name in self._known or len(self._known) < MOST_PROJECTS:
                self._known[name] = options
        if self._folder is not None and (self._left(name) or ProjectOptions()) != options:
            notes += _leave(self._folder, name, options)
        return notes

    def options(self, project: object) -> ProjectOptions:
        """The options of a project, or the defaults."""
        if not isinstance(project, str):
            return ProjectOptions()
        name = _name(project)
        with self._lock:
            known = self._known.get(name, ProjectOptions())
        return self._left(name) or known

    def _left(self, name: str) -> ProjectOptions | None:
        """What another worker may have left; None where nobody was told."""
        if self._folder is None:
            return None
        try:
            return read_options(json.loads((self._folder / name).read_bytes()))[0]
        except (OSError, ValueError):
            return None


def _leave(folder: Path, name: str, options: ProjectOptions) -> list[str]:
    try:
        if not (folder / name).exists() and sum(1 for _ in folder.iterdir()) >= MOST_PROJECTS:
            return ["Too many projects have options of their own."]
        write_file(folder / name, options.model_dump_json().encode())
    except OSError as error:
        return [f"Other workers are not told of the project's options: {error.strerror}."]
    return []


def shared_projects() -> Projects:
    """The options that the workers of this server share."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return Projects(Path(folder) if folder else None)


def _name(project: str) -> str:
    return sha256(project.encode(errors="surrogatepass")).hexdigest()[:32]
