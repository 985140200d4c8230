"""How a want of memory shows itself."""

from __future__ import annotations

import cv2

_SAID = ("out of memory", "insufficient memory", "not enough memory", "can't allocate memory", "bad_alloc")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, on this machine or its GPU.

    torch, OpenVINO and OpenCV raise errors of many uses, and only their messages tell.
    """
    if isinstance(error, RuntimeError | cv2.error):
        text = str(error).lower()
        return any(words in text for words in _SAID)
    return isinstance(error, MemoryError)
