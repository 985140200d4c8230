"""What jobs leave in their folders, and how much of the disk all of it may take.

A job that has ended leaves text to read up how it went, but no photographs and no checkpoints, unless asked.
Where there is a quota, what is needed least goes first:

1. photographs, checkpoints and models of jobs that have ended, the oldest job first
2. fetched versions of models, those used longest ago first
3. libraries of what was read of labels, those used longest ago first; unchanged labels are then read again
4. what else is left of jobs that have ended, the oldest first

Folders of jobs that wait or run are never touched, nor are libraries and versions while one runs.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ritm_model.errors import RitmError
from ritm_ops.jobs.protocol import UnknownJobError
from ritm_ops.jobs.queue import JobQueue

HasEnded = Callable[[str], bool]
"""Whether the job with this id has ended."""

_READABLE = (".json", ".jsonl", ".yaml", ".txt")
_BLOCK = 512  # bytes, of what the system counts files in


class QuotaError(RitmError):
    """The worker's folder holds more than it may, and nothing in it can go."""


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
    for folder in _ended(root, ended_in([jobs])):
        tidy(folder)


def ended_in(queues: Sequence[JobQueue]) -> HasEnded:
    """Says of jobs of these queues whether they have ended; of another Redis's, that they have not."""

    def has_ended(job_id: str) -> bool:
        for jobs in queues:
            with suppress(UnknownJobError):
                return jobs.job(job_id).has_ended
        return False

    return has_ended


def make_room(root: Path, quota: int, has_ended: HasEnded, own: str = "") -> int:
    """Remove what is needed least, until the folder of a worker takes no more than `quota` bytes of the disk.

    Args:
        root: the folder.
        quota: in bytes.
        has_ended: says so of a job.
        own: id of the job that asks, which has not begun to work.

    Returns:
        The bytes that it takes then, which may be more.
    """
    used = disk_usage(root)
    for remove in _removals(root, has_ended, own):
        if used <= quota:
            break
        remove()
        used = disk_usage(root)
    return used


def check_room(root: Path, quota: int, has_ended: HasEnded, own: str = "") -> None:
    """`make_room`, for a job that needs some.

    Raises:
        QuotaError: what is left takes more than `quota` bytes.
    """
    used = make_room(root, quota, has_ended, own)
    if used > quota:
        raise QuotaError(
            f"{root} takes {used / 2**20:,.0f} MB of the disk, and RITM_FINETUNE_QUOTA_MB allows "
            f"{quota / 2**20:,.0f}; what jobs that wait or run need cannot be removed. Allow more."
        )


def disk_usage(root: Path) -> int:
    """Bytes that all files below a folder take on the disk, those with several names once."""
    sizes: dict[tuple[int, int], int] = {}
    for path in root.rglob("*"):
        with suppress(OSError):
            status = path.lstat()
            sizes[status.st_dev, status.st_ino] = status.st_blocks * _BLOCK
    return sum(sizes.values())


def _removals(root: Path, has_ended: HasEnded, own: str) -> Iterator[Callable[[], None]]:
    # Of a job, the lock tells when it was begun last; its folder changes while it is reduced.
    ended = sorted(_ended(root, has_ended), key=lambda folder: _age(folder / "lock"))
    for folder in ended:
        yield lambda folder=folder: tidy(folder)  # type: ignore[misc]
    if not any(_is_locked(folder) for folder in _jobs(root) if folder.name != own):
        for folders in ((root / "models").glob("*/*"), (root / "cache").glob("*")):
            for folder in sorted(folders, key=_age):
                yield lambda folder=folder: shutil.rmtree(folder, ignore_errors=True)  # type: ignore[misc]
    for folder in ended:
        yield lambda folder=folder: shutil.rmtree(folder, ignore_errors=True)  # type: ignore[misc]


def _jobs(root: Path) -> Iterator[Path]:
    return (lock.parent for lock in root.glob("*/lock"))


def _ended(root: Path, has_ended: HasEnded) -> Iterator[Path]:
    return (folder for folder in _jobs(root) if has_ended(folder.name))


def _is_locked(folder: Path) -> bool:
    """Whether a process works in the folder of a job."""
    with suppress(OSError), (folder / "lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _age(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
