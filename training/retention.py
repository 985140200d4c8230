"""What jobs leave in their folders: text to read up how they went, but no photographs and no checkpoints."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ritm_ops.jobs.protocol import UnknownJobError
from ritm_ops.jobs.queue import JobQueue

_READABLE = (".json", ".jsonl", ".yaml", ".txt")


def tidy(folder: Path) -> None:
    """Reduce the folder of a job that has ended. What cannot be removed stays.

    Logs, measures and the report stay, and what says which labels were taken.
    """
    with suppress(OSError):
        (folder / "data/conversion.json").replace(folder / "conversion.json")
    for heavy in ("data", "base"):
        shutil.rmtree(folder / heavy, ignore_errors=True)
    for path in _files(folder):
        if path.suffix not in _READABLE and path.name != "lock":
            with suppress(OSError):
                path.unlink()


def tidy_ended(root: Path, jobs: JobQueue) -> None:
    """Reduce the folders of all jobs in `root` that have ended, however that came.

    Raises:
        JobError: Redis cannot be used.
    """
    for lock in root.glob("*/lock"):
        with suppress(UnknownJobError):  # of another Redis, perhaps, where it still runs
            if jobs.job(lock.parent.name).has_ended:
                tidy(lock.parent)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
