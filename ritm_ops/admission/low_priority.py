"""Work that takes seconds, while others wait for milliseconds of the same processors."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ritm_model.cpus import usable_cpus

_NICER = 10  # such a thread gets a tenth of a processor that an ordinary one wants as well

T = TypeVar("T")


def at_low_priority(work: Callable[[], T]) -> T:
    """Do some work in a thread of low priority; at most half of the processors do such work at once."""
    return _THREADS.submit(work).result()


def _lower_priority() -> None:
    if sys.platform == "linux":  # elsewhere threads have no priority of their own
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, min(19, os.getpriority(os.PRIO_PROCESS, own) + _NICER))


# Its threads begin with the first work, after a server has forked.
_THREADS = ThreadPoolExecutor(max(1, usable_cpus() // 2), "low-priority", initializer=_lower_priority)
