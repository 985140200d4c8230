"""Pictures as people see them: decoded, upright, 8-bit RGB."""

from ritm_model.images.reading import (
    DEFAULT_MAX_PIXELS,
    FORMATS,
    ImageError,
    Pixels,
    check_size,
    decode_image,
    decoding_bytes,
    image_size,
    read_image,
    upright_bytes,
    upright_rgb,
)

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "FORMATS",
    "ImageError",
    "Pixels",
    "check_size",
    "decode_image",
    "decoding_bytes",
    "image_size",
    "read_image",
    "upright_bytes",
    "upright_rgb",
]
