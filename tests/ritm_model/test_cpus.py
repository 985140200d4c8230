"""How many processors a process takes, in a container, too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import free_port

from ritm_model.cpus import limit_threads, usable_cpus


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "5000 100000\n"}, 1),
        ({"cpu.max": "9900000 100000\n"}, 8),
        ({"cpu.max": "nonsense"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
    ],
)
def test_a_container_with_less_processor_time_gets_fewer_threads(tmp_path, monkeypatch, files, cpus):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    assert usable_cpus(tmp_path) == cpus


def test_thread_limits_of_the_administrator_are_kept(monkeypatch):
    monkeypatch.setattr(os, "environ", {"OMP_NUM_THREADS": "3"})
    limit_threads(2)

    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert os.environ["OMP_WAIT_POLICY"] == "passive"


def test_threads_are_limited_before_torch_is_loaded():
    """OpenMP reads the limits when torch is loaded, and never again."""
    code = (
        "import sys; from ritm_backend import cli, server; from training import cli, worker; "
        "from ritm_model.cpus import limit_threads; print('torch' in sys.modules); "
        "limit_threads(64); import torch; print(torch.get_num_threads())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", str(max(1, usable_cpus() // 64))]


WORKER = """
from ritm_model.errors import RitmError
from training.settings import TrainingSettings
from training.worker import work
try:
    work({"default": TrainingSettings.from_environment()})
except RitmError as error:
    assert "Redis" in str(error)
"""
FUNCTION = """
from cvat_serverless.loading import load
from cvat_serverless.settings import CvatSettings
load(CvatSettings.from_environment())
"""


@pytest.mark.parametrize("program", [WORKER, FUNCTION], ids=["worker", "function and agent of CVAT"])
def test_whatever_computes_takes_no_more_threads_than_it_may(program: str, tmp_path: Path) -> None:
    """torch would count all processors of the machine: here one of them may be used. There is no Redis."""
    one = "import os; os.sched_getaffinity = lambda _: {0}\n"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {"RITM_DEVICE": "cpu", "RITM_ENGINE": "torch", "TMPDIR": str(tmp_path)}
    environment |= {
        "RITM_REDIS_URL": f"redis://127.0.0.1:{free_port()}",
        "RITM_FINETUNE_FOLDER": str(tmp_path),
    }
    code = f"{one}{program}\nimport torch; print(torch.get_num_threads())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == "1"
