"""The image files that a COCO file names, whatever tool has written it on whatever machine."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ritm_model.datasets.files import inside
from ritm_model.datasets.problems import BrokenFileError
from ritm_model.errors import shown
from ritm_model.images.finding import ImageFinder
from ritm_model.images.names import NamedPath, named_paths


class CocoImages:
    """Looks for images by their `file_name`.

    The first folder that has one of the images should have all, by their paths as they stand. One that is
    not there is looked for as `ImageFinder` does it: in all folders, and anywhere below `elsewhere`. Below
    the others, an image may lie in another folder than its name says if no other image of the file has the
    same last name: Label Studio writes the project's number into names, and not into the folder.

    Args:
        names: all values of `file_name`; some may be no names.
        folders: where the images should be, at least one.
        elsewhere: folders of the user, in which an image may lie anywhere.

    Attributes:
        has_any: whether one of the images is there.
    """

    def __init__(self, names: Iterable[object], folders: Sequence[Path], elsewhere: Sequence[Path]) -> None:
        self._own = ImageFinder(*folders, anywhere=False, linked=elsewhere)
        self._elsewhere = ImageFinder(*elsewhere)
        self._all = tuple(Path(os.path.normpath(folder)) for folder in (*folders, *elsewhere))
        names = list(names)
        last_names = Counter(path.name for name in names for path in _paths(name))
        self._single = frozenset(name for name, count in last_names.items() if count == 1)
        self._anywhere = ImageFinder(*folders, linked=elsewhere)
        known = (folder for folder in self._all if any(_file(folder, name) for name in names))
        first = next(known, None)
        self._folder = first or self._all[0]
        self.has_any = first is not None or any(self._candidates(name) for name in names)

    def find(self, name: object) -> tuple[str, Path]:
        """The name of an image below its folder, and its file, which may be missing.

        Raises:
            BrokenFileError: it is no name, leads out of the folders, or fits several files.
        """
        path = _file(self._folder, name)
        if path is None:
            found = self._candidates(name)
            if len(found) > 1:
                some = ", ".join(map(shown, found[:3]))
                raise BrokenFileError(
                    self._folder, f"Several files may be the image '{shown(name)}': {some}."
                )
            path = found[0] if found else inside(self._folder, name)
        folder = next(folder for folder in (self._folder, *self._all) if path.is_relative_to(folder))
        return path.relative_to(folder).as_posix(), path

    def _candidates(self, name: object) -> list[Path]:
        if not isinstance(name, str):
            return []
        found = self._own.candidates(name) or self._elsewhere.candidates(name)
        if not found and all(path.name in self._single for path in _paths(name)):
            found = self._anywhere.candidates(name)
        return found


def are_others(name: object, other: object) -> bool:
    """Whether two names lie in different folders, so that one file cannot be both."""
    return _folders(name) != _folders(other)


def is_full_path(name: object, path: Path) -> bool:
    """Whether a path ends with all folders of a name."""
    folders = _folders(name)
    return path.parts[-1 - len(folders) : -1] == folders


def _folders(name: object) -> tuple[str, ...]:
    """The folders in a name, without `images` in front, which many tools write and others do not."""
    parts = next((path.parts[:-1] for path in _paths(name)), ())
    return parts[1:] if parts[:1] == ("images",) else parts


def _paths(name: object) -> list[NamedPath]:
    """What a name may mean, the likeliest first; nothing if it is none."""
    return named_paths(name)[:1] if isinstance(name, str) else []


def _file(folder: Path, name: object) -> Path | None:
    """The file by its path as it stands, if it is there."""
    try:
        path = inside(folder, name)
        return path if path.is_file() else None
    except (BrokenFileError, OSError, ValueError):  # no name of a file
        return None
