"""What readers of outlines share: which files there are, where their photographs lie, and numbers in text."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ritm_model.datasets.export_images import ExportImages, place_of
from ritm_model.datasets.problems import DatasetError, Problem
from ritm_model.errors import shown
from ritm_model.masks.coco import MaskError

Numbers = tuple[float, ...]


def files_below(root: Path, split: str, suffix: str) -> tuple[Path, list[Path]]:
    """The folder of a data set and its files of a kind, by name; hidden ones do not count.

    Args:
        root: the folder, or one file.
        split: name of a folder below it, of which files are taken; nothing for all.
        suffix: of the files, such as ".json".

    Raises:
        DatasetError: there is none.
    """
    if root.is_file():
        return root.parent, [root]
    found = [
        path
        for path in sorted(root.rglob(f"*{suffix}"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]
    if split:
        found = [path for path in found if split in path.relative_to(root).parent.parts]
    if not found:
        raise DatasetError(f"There is no {suffix} file in {root}{f' of the part {split}' if split else ''}.")
    return root, found


class Photographs:
    """Looks for photographs of annotation files.

    Args:
        root: folder of the data set.
        elsewhere: folders of the user, in which photographs may lie anywhere.
    """

    def __init__(self, root: Path, elsewhere: Sequence[Path]) -> None:
        self._root = root
        self._images = ExportImages((root, *elsewhere))

    def find(self, file: Path, names: Iterable[str]) -> tuple[str, Path] | None:
        """The place of a photograph in the data set, and its file; None where none of the names fits.

        Args:
            file: that holds the annotation. Names are paths from its folder, from that of the data set, or
                from `images` in it.
            names: the likeliest first.
        """
        for name in names:
            found = self._images.find(self._folders(file), self._full(file, name))
            found = found or self._images.find(self._folders(file), name)
            if found is not None:
                is_own = found.is_relative_to(self._root)
                return (found.relative_to(self._root).as_posix() if is_own else place_of(name, found)), found
        return None

    def missing(self, file: Path, name: str) -> Problem:
        return Problem(str(file), self._images.missing(self._folders(file), name))

    def _folders(self, file: Path) -> tuple[Path, ...]:
        return file.parent, self._root / "images", self._root

    def _full(self, file: Path, name: str) -> str:
        """A path from the folder of the file as one from that of the data set."""
        return os.path.normpath(file.parent.relative_to(self._root) / name.replace("\\", "/"))


def numbers(values: object, count: int | None = None) -> Numbers:
    """Finite numbers, also as text. Raises MaskError for anything else, or another count of them."""
    listed = values if isinstance(values, list | tuple) else []
    try:
        found = tuple(float(value) for value in listed if not isinstance(value, bool))
    except (TypeError, ValueError, OverflowError):
        found = ()
    is_whole = len(found) == len(listed) and all(map(math.isfinite, found))
    if not is_whole or not found or (count is not None and len(found) != count):
        raise MaskError(f"Its numbers are damaged: {shown(values)}.")
    return found


def points(values: object) -> list[Numbers]:
    """Points [x, y]. Raises MaskError."""
    return [numbers(pair, 2) for pair in (values if isinstance(values, list) else [])]


def ring(corners: Sequence[Sequence[float]]) -> Numbers:
    """x, y, x, y … of at least three corners. Raises MaskError."""
    if len(corners) < 3:
        raise MaskError("A polygon needs at least three points.")
    return tuple(side for corner in corners for side in corner)
