"""Label Studio's bitmasks: a PNG as a `data:` URL, opaque where the object is.

The editor writes RGBA, black with an alpha of 0 or 255. Pictures without alpha, which other programs write,
are bright where the object is.
"""

from __future__ import annotations

import base64
import binascii
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from ritm_model.errors import RitmError

MOST_CHARACTERS = 100_000_000
_HEAD = "data:image/png;base64,"
_HALF = 128


class BitmaskError(RitmError):
    """A bitmask that cannot be read, or that does not fit its picture."""


def decode(url: str, width: int, height: int) -> npt.NDArray[np.bool_]:
    """Read a mask from a region's `imageDataURL`.

    Args:
        url: may come from anybody.
        width: of the picture in pixels. With height it bounds the memory used.
        height: of the picture in pixels.

    Returns:
        bool array of height x width.

    Raises:
        BitmaskError: it is no such PNG, or has another size.
    """
    if not url.startswith(_HEAD) or len(url) > MOST_CHARACTERS:
        raise BitmaskError("The bitmask is not a PNG in a data: address.")
    try:
        with Image.open(
            io.BytesIO(base64.b64decode(url[len(_HEAD) :], validate=True)), formats=["PNG"]
        ) as png:
            if png.size != (width, height):
                sides = f"{png.size[0]} x {png.size[1]} pixels, its picture {width} x {height}"
                raise BitmaskError(f"The bitmask has {sides}.")
            has_alpha = png.has_transparency_data
            picture_HW = np.asarray(png.convert("RGBA").getchannel("A") if has_alpha else png.convert("L"))
    except (binascii.Error, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise BitmaskError("The bitmask is no PNG, or is damaged.") from None
    return picture_HW >= _HALF
