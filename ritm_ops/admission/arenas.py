"""Memory that threads keep for themselves, in processes with many of them."""

from __future__ import annotations

import ctypes
import platform

_ARENA_MAX = -8  # of mallopt(3) in the C library glibc
ARENAS = 2


def share_arenas() -> bool:
    """Let all threads of this process, and of those that it forks, take their memory from the same few pools.

    By default glibc gives threads pools of their own, eight for each core, and each pool keeps what one image
    or one run of the network needed. To be called before threads are started. `MALLOC_ARENA_MAX` in the
    environment does the same for a process from its first moment.

    Returns:
        Whether it could be set; False where the C library is another one.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).mallopt(_ARENA_MAX, ARENAS) == 1)
