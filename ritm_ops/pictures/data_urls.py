"""Images that stand in the task itself: `data:image/png;base64,…`."""

import base64
import binascii
from urllib.parse import unquote_to_bytes

from ritm_ops.pictures.errors import FetchError


def decode_data_url(url: str, max_bytes: int) -> bytes:
    """Return the bytes of a `data:` URL, base64 or percent-encoded.

    Raises:
        FetchError: the URL is malformed, empty or holds more than `max_bytes`.
    """
    head, comma, body = url.partition(",")
    if not comma:
        raise FetchError("The image's data: URL has no comma, so it holds no data.")
    is_base64 = head.lower().endswith(";base64")
    # Three characters stand for one byte in percent notation, four for three in base64.
    if len(body) > 3 * max_bytes + 4:
        raise _too_large(max_bytes)
    data = unquote_to_bytes(body)
    if is_base64:
        text = b"".join(data.split()).rstrip(b"=")
        try:
            data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            raise FetchError("The image's data: URL is not valid base64.") from None
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    if not data:
        raise FetchError("The image's data: URL is empty.")
    return data


def _too_large(max_bytes: int) -> FetchError:
    return FetchError(
        f"The image's data: URL holds more than the {max_bytes:,} bytes that RITM_IMAGE_MAX_MB allows."
    )
