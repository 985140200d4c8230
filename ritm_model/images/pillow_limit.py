"""Pillow's own limit on pixels, and its warnings, set aside while images are read by our rules.

Our limit comes with every call and is checked before any pixel is decoded. The warnings are of damaged notes
beside the picture, of which annotators need not hear.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock

from PIL import Image

_lock = Lock()
_inside = 0
_undo = ExitStack()


@contextmanager
def pillow_limit_lifted() -> Iterator[None]:
    """Lift the limit and silence the warnings until nobody is inside any more.

    Both are one for the whole process. Whoever comes while others are inside does not wait for them: the
    decoding of a large image takes seconds.
    """
    global _inside
    with _lock:
        if not _inside:
            _lift()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _undo.close()


def _lift() -> None:
    _undo.enter_context(warnings.catch_warnings())
    warnings.filterwarnings("ignore", module=r"PIL\.")
    _undo.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    Image.MAX_IMAGE_PIXELS = None
