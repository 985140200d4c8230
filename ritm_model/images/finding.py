"""Finds image files in folders by the names that annotations give them, and never anything outside.

The path as it stands comes first, then the file below a folder whose name fits and that shares most of the
path's last folders, then one whose name alone fits. Where several fit equally well, none is taken: labels on
the wrong photograph are worse than none.
"""

from __future__ import annotations

import math
import os
import time
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock

from ritm_model.errors import shown
from ritm_model.images.names import (
    NamedPath,
    Parts,
    has_suffix,
    likeness,
    loose_key,
    named_paths,
)
from ritm_model.mistaken import link_to_nothing

REFRESH_SECONDS = 60.0
_SAME_NAME = 2
"""Up to this likeness, two names are one name in two spellings."""
_SHOWN = 3

Index = dict[str, list[Parts]]


class ImageFinder:
    """Looks for images in some folders; thread-safe.

    All files below the folders are listed when a name is not found as it stands. The list is made again when
    a name is missing from it and it is more than a minute old.

    Args:
        folders: where images may be, the first before the others.
        anywhere: whether a file in another folder than the one that is named will do, where there is but one
            of the name. For folders that an export brings along it will not: `a.png` of another part is
            another photograph.
        linked: other folders of the user; links in the folders may lead there, or from one to another.
    """

    def __init__(self, *folders: Path, anywhere: bool = True, linked: Sequence[Path] = ()) -> None:
        self._anywhere = anywhere
        self._folders = tuple((folder, Path(os.path.realpath(folder))) for folder in dict.fromkeys(folders))
        self._allowed = tuple(Path(os.path.realpath(folder)) for folder in dict.fromkeys((*folders, *linked)))
        self._lock = Lock()
        self._index: list[Index] = []
        self._listed_at = -math.inf

    def find(self, reference: str) -> Path | None:
        """The file that a reference names; None if there is none, or more than one that fits equally well.

        Args:
            reference: as `named_paths` takes it.
        """
        found = self.candidates(reference)
        return found[0] if len(found) == 1 else None

    def missing(self, reference: str) -> str:
        """A sentence for a reference that `find` gives nothing for."""
        found = self.candidates(reference)
        if len(found) < 2:
            name = f"The image '{shown(reference)}'"
            if left := self._left_by(reference):
                folder, link = left
                if what := link_to_nothing(link):
                    return f"{name} {what}."
                return f"{name} is a link out of {folder}: give the folder it leads to, too (--images-from)."
            return f"{name} is not there."
        some = ", ".join(shown(path) for path in found[:_SHOWN])
        return f"Several files may be the image '{shown(reference)}': {some}."

    def candidates(self, reference: str) -> list[Path]:
        """The files that fit a reference best: one if it is clear which is meant."""
        paths = named_paths(reference)
        if not self._folders or not paths:
            return []
        exact = next(self._exact(paths), None)
        if exact is not None:
            return [exact]
        return self._fitting(paths)

    def _left_by(self, reference: str) -> tuple[Path, Path] | None:
        """The folder in which a link has that name and leads out of all folders or nowhere; and the link."""
        for path in named_paths(reference):
            for folder, _ in self._folders:
                link = Path(os.path.normpath(folder.joinpath(*path.parts)))
                if (
                    link.is_relative_to(folder)
                    and link.is_symlink()
                    and not self._existing(folder, path.parts)
                ):
                    return folder, link
        return None

    def _exact(self, paths: list[NamedPath]) -> Iterator[Path]:
        for path in paths:
            for folder, _ in self._folders:
                yield from self._existing(folder, path.parts)

    def _listings(self, paths: list[NamedPath]) -> list[Index]:
        """What lies in each folder; listed again if it is old and has none of the names."""
        with self._lock:
            keys = [loose_key(path.name) for path in paths]
            is_known = any(key in index for index in self._index for key in keys)
            if not is_known and time.monotonic() > self._listed_at + REFRESH_SECONDS:
                self._index = [_listed(real) for _, real in self._folders]
                self._listed_at = time.monotonic()
            return self._index

    def _fitting(self, paths: list[NamedPath]) -> list[Path]:
        listings = self._listings(paths)
        found: list[tuple[tuple[int, ...], int, Path]] = []
        for path in paths:
            key = loose_key(path.name)
            for place, ((folder, _), index) in enumerate(zip(self._folders, listings, strict=True)):
                for parts in index.get(key, ()):
                    like = fit(path, parts, self._anywhere)
                    if like is not None:
                        found += [(like, place, file) for file in self._existing(folder, parts)]
        if not found:
            return []
        best = min((like, place) for like, place, _ in found)
        return list(dict.fromkeys(file for like, place, file in found if (like, place) == best))

    def _existing(self, folder: Path, parts: Parts) -> list[Path]:
        """The file below a folder, in either way to write accents; links that lead out do not count."""
        plain = "/".join(parts)
        for text in dict.fromkeys(
            (plain, unicodedata.normalize("NFC", plain), unicodedata.normalize("NFD", plain))
        ):
            path = Path(os.path.normpath(folder / text))
            try:
                real = Path(os.path.realpath(path))
                if path.is_file() and any(real.is_relative_to(allowed) for allowed in self._allowed):
                    return [path]
            except (OSError, ValueError):  # a name that no file can have
                break
        return []


def _listed(folder: Path) -> Index:
    """The image files below a folder by their loose keys; hidden ones do not count."""
    index: Index = {}
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        above = Path(place).relative_to(folder).parts
        for name in sorted(names):
            if has_suffix(name) and not name.startswith("."):
                index.setdefault(loose_key(name), []).append((*above, name))
    return index


def fit(wanted: NamedPath, found: Parts, anywhere: bool) -> tuple[int, ...] | None:
    """How well a file fits, the least best; None where it is another one."""
    like = likeness(wanted.name, found[-1])
    if like is None:
        return None
    ours = [part for part in _folders(found) if part != ".."]
    theirs = [part for part in _folders(wanted.parts) if part != ".."]
    common = 0
    while common < min(len(ours), len(theirs)) and ours[-1 - common] == theirs[-1 - common]:
        common += 1
    rest = len(ours) - common
    is_below = ours[:rest] != theirs[:rest]  # images/a.png lies above images/1/a.png
    if common < len(theirs) and not wanted.is_foreign and theirs[0] == "images":
        del theirs[0]
    is_above = len(theirs) > common
    if anywhere:
        is_other = is_below and is_above and not wanted.is_foreign  # a/x.png is not b/x.png
    else:
        is_other = is_below or (is_above and not wanted.is_foreign)
    if is_other:
        return None
    return int(like > _SAME_NAME), -common, like, int(is_below)


def _folders(parts: Parts) -> list[str]:
    return [unicodedata.normalize("NFC", part) for part in parts[:-1]]
