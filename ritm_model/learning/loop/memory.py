"""Memory that is asked for again and again, as learning does, without the price of asking."""

from __future__ import annotations

import ctypes
import platform

# Of mallopt(3) in the C library glibc.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_PAD_BYTES = 64 * 2**20


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for the next tensors of the same size.

    By default glibc gives every large block back to the kernel, so that each tensor of each step begins with
    page faults, which cost more the busier the machine is. No result changes (`bench/train_step.py`).

    Returns:
        Whether it could be set; False where the C library is another one.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_TOP_PAD, _PAD_BYTES))
    return all(mallopt(name, value) == 1 for name, value in settings)
