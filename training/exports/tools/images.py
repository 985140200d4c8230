"""Images of an export by their names in it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ritm_model.images.names import IMAGE_SUFFIXES
from training.exports.pictures import found_in

_SUFFIXES = tuple(suffix for lower in sorted(IMAGE_SUFFIXES) for suffix in (lower, lower.upper()))


def found_image(folders: tuple[Path, ...], name: str) -> Path | None:
    """The file of an image; lists of CVAT, and frames of its videos, come without an extension."""
    path = found_in(folders, name)
    if path is not None or PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES:
        return path
    candidates = (found_in(folders, name + suffix) for suffix in _SUFFIXES)
    return next((path for path in candidates if path is not None), None)


def with_suffix_of(name: str, image: Path) -> str:
    """The name with the extension of the image, if it has none of an image."""
    return name if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES else name + image.suffix
