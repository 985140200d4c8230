"""A worker's folder keeps to its quota, night after night, and what is needed least goes first."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from team import label
from workers import Site, worker

from training.job import Order, finetune
from training.ledger import work_folder
from training.progress import Progress
from training.retention import QuotaError, check_room, disk_usage, make_room
from training.settings import TrainingSettings

KB = 1024
NIGHTS = 20
QUOTA = 2 << 20


def ended(job_id: str) -> bool:
    return not job_id.startswith("running")


def fill(path: Path, kilobytes: int, age: int = 0) -> Path:
    """A file of so many, in a folder of which `age` says how long ago it was used."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(kilobytes * KB))
    os.utime(path.parent, (10_000 - age, 10_000 - age))
    return path


def night(number: int, settings: TrainingSettings, labels: Path) -> int:
    """A job on labels of its own that comes to no model; the bytes of the folder after it."""
    label(labels, 12 + number)
    with work_folder(settings.folder, f"night-{number}") as folder:
        if settings.quota_mb is not None:
            check_room(settings.folder, settings.quota_mb << 20, ended, folder.name)
        progress = Progress(folder / "log.txt")
        assert (
            finetune(Order(folder.name, str(labels)), settings, folder, progress).outcome == "too few labels"
        )
    if settings.quota_mb is not None:
        make_room(settings.folder, settings.quota_mb << 20, ended)
    return disk_usage(settings.folder)


@pytest.mark.slow
def test_twenty_nights_on_a_small_disk(tmp_path: Path, base: Path) -> None:
    """Each keeps all it has collected, so that without the quota every night takes more."""
    settings = TrainingSettings(
        registry=str(tmp_path / "registry"),
        source="any",
        folder=tmp_path / "work",
        base=str(base),
        device="cpu",
        least_objects=1000,
        keep=True,
        quota_mb=QUOTA >> 20,
    )
    used = [night(number, settings, tmp_path / f"labels {number}") for number in range(NIGHTS)]
    assert max(used) <= QUOTA
    last = settings.folder / f"night-{NIGHTS - 1}"
    assert (last / "log.txt").read_text()
    assert (settings.folder / "night-0/log.txt").exists(), "text goes last of all"
    assert not (settings.folder / "night-0/data").exists()

    without = settings.model_copy(update={"quota_mb": None, "folder": tmp_path / "without"})
    grown = [night(number, without, tmp_path / f"labels {number}") for number in range(NIGHTS)]
    assert grown == sorted(grown)
    assert grown[-1] > QUOTA, "the quota had something to do"


def test_what_is_needed_least_goes_first(tmp_path: Path) -> None:
    names = [
        ("old/data/picture.png", 3),
        ("new/run/checkpoint.pt", 2),
        ("models/team/team-1/model.safetensors", 3),
        ("models/team/team-2/model.safetensors", 1),
        ("cache/a/read.sqlite", 2),
        ("cache/b/read.sqlite", 1),
    ]
    files = [fill(tmp_path / name, 64, age) for name, age in names]
    running = fill(tmp_path / "running/data/picture.png", 64)
    for job, age in (("old", 3), ("new", 2), ("running", 1)):
        lock = fill(tmp_path / job / "lock", 0)
        os.utime(lock, (10_000 - age, 10_000 - age))
        fill(tmp_path / job / "log.txt", 8)
    for number, file in enumerate(files):
        assert file.exists()
        left = make_room(tmp_path, disk_usage(tmp_path) - 1, ended)
        assert [path.exists() for path in files] == [place > number for place in range(len(files))]
        assert left == disk_usage(tmp_path)
    make_room(tmp_path, disk_usage(tmp_path) - 1, ended)
    assert not (tmp_path / "old").exists()
    assert (tmp_path / "new/log.txt").exists()
    with pytest.raises(QuotaError, match="RITM_FINETUNE_QUOTA_MB allows 0"):
        check_room(tmp_path, 1, ended)
    assert running.exists()
    assert not (tmp_path / "new").exists()


def test_what_a_running_job_may_read_stays(tmp_path: Path) -> None:
    library, model = fill(tmp_path / "cache/a/read.sqlite", 8), fill(tmp_path / "models/m/m-1/weights", 8)
    lock = fill(tmp_path / "running/lock", 0)
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        make_room(tmp_path, 1, ended)
        assert library.exists()
        assert model.exists()
        make_room(tmp_path, 1, ended, own="running")
    assert not library.exists()
    assert not model.exists()


def test_files_with_several_names_count_once(tmp_path: Path) -> None:
    file = fill(tmp_path / "a/file", 64)
    used = disk_usage(tmp_path)
    (tmp_path / "b").hardlink_to(file)
    assert disk_usage(tmp_path) == used


@pytest.mark.slow
@pytest.mark.e2e
def test_a_job_without_room_ends_with_the_reason(make_site: type[Site]) -> None:
    site: Site = make_site(RITM_FINETUNE_QUOTA_MB="1")  # type: ignore[assignment]
    fill(site.folder / "work/somebody's/file", 1200)
    job_id = site.start()
    with worker(site) as running:
        job = site.ended(job_id, running)
    assert job.status == "failed"
    assert "RITM_FINETUNE_QUOTA_MB allows 1; what jobs that wait or run need" in job.report.message
