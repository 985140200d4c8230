"""Memory shared by processes: waited for, and given back even by those that are killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import wait_until

from ritm_ops.admission import BusyError, SharedBudget

HOLDER = """
import sys
from pathlib import Path
from ritm_ops.admission import SharedBudget
with SharedBudget(1600, Path(sys.argv[1])).hold(int(sys.argv[2]), float("inf")):
    print("has it", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path, count: int) -> Iterator[subprocess.Popen[str]]:
    """Another process, which has so many bytes."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "has it\n"
        yield process


def is_free(budget: SharedBudget, count: int) -> bool:
    try:
        with budget.hold(count, 0):
            return True
    except BusyError:
        return False


def test_what_another_process_has_is_not_handed_out(tmp_path: Path) -> None:
    budget = SharedBudget(1600, tmp_path)
    with holder(tmp_path, 1000):
        assert is_free(budget, 600)
        assert not is_free(budget, 601)
        assert is_free(budget, 600), "one that waited in vain has left nothing locked"
    assert is_free(budget, 1600)


def test_a_process_that_is_killed_gives_its_memory_back(tmp_path: Path) -> None:
    budget = SharedBudget(1600, tmp_path)
    with ThreadPoolExecutor(1) as pool, holder(tmp_path, 9999) as process:
        waiting = pool.submit(lambda: budget.hold(1, float("inf")).__enter__())
        wait_until(lambda: not is_free(budget, 0), "somebody waits", within_s=30)
        assert not waiting.done()
        process.kill()
        waiting.result(30)


def test_two_who_want_all_of_it_get_it_one_after_the_other(tmp_path: Path) -> None:
    inside = []

    def take(_: int) -> int:
        with SharedBudget(1600, tmp_path).hold(9999, float("inf")):
            inside.append(1)
            most = len(inside)
            inside.pop()
            return most

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(take, range(200))) == {1}


def test_a_file_that_somebody_put_a_link_for_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "door").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), SharedBudget(1600, tmp_path).hold(1, 0):
        pass
    assert not (tmp_path / "elsewhere").exists()
