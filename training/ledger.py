"""Which stages of a job are done and what they found, on disk, so that another attempt goes on after them."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ritm_model.errors import RitmError
from ritm_model.files import write_file, writing

LEDGER = "ledger.json"


class WorkFolderError(RitmError):
    """The folder of a job cannot be used."""


class Ledger:
    """The stages of one job, by name. A stage's finding is JSON, written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        """Read what is there.

        Raises:
            WorkFolderError: it is damaged.
        """
        self._path = folder / LEDGER
        self._done: dict[str, Any] = {}
        if self._path.exists():
            try:
                self._done = dict(json.loads(self._path.read_bytes()))
            except (OSError, ValueError):
                raise WorkFolderError(f"{self._path} is damaged.") from None

    def __contains__(self, stage: str) -> bool:
        return stage in self._done

    def once(self, stage: str, do: Callable[[], Any]) -> Any:
        """What a stage has found; it is done now, unless it has been."""
        if stage not in self._done:
            finding = do()
            with writing(self._path, WorkFolderError):
                write_file(self._path, json.dumps({**self._done, stage: finding}, indent=1))
            self._done[stage] = finding
        return self._done[stage]


@contextmanager
def work_folder(root: Path, job_id: str) -> Iterator[Path]:
    """The folder of a job, for this process alone; one that comes second waits until the first has ended.

    Raises:
        WorkFolderError: it cannot be made.
    """
    folder = root.absolute() / job_id  # the recipe of the job names files in it
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("wb")
    except OSError as error:
        raise WorkFolderError(f"{folder} cannot be used: {error.strerror}.") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
