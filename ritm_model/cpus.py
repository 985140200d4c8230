"""How many processors this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cpus(cgroup: Path = CGROUP) -> int:
    """Processors by affinity and by the quota of a container (version 2 or 1), at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup / "cpu.max") or _quota(
        cgroup / "cpu/cpu.cfs_quota_us", cgroup / "cpu/cpu.cfs_period_us"
    )
    return max(1, min(affinity, math.ceil(quota)) if quota else affinity)


def limit_threads(processes: int = 1) -> None:
    """Set what OpenMP reads when torch is loaded: idle threads sleep, and no more threads than processors.

    Call it before anything loads torch. What is set already stays.

    Args:
        processes: which share the processors, and will each load torch.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cpus() // processes)))


def _quota(*files: Path) -> float | None:
    """Processor time per period, from the words of these files; None without a limit."""
    try:
        quota, period = " ".join(file.read_text() for file in files).split()
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None  # no such file, or "max"
