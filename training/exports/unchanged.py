"""The data set of the last time, given again where nothing at all has changed.

Most often a job asks again and nobody has annotated anything. Then the files and pictures of the last time
are linked into the new folder: only listing the source remains.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ritm_model.datasets.readers.coco_rle import ANNOTATIONS, IMAGES
from training.exports.library import Library

MANIFEST = "conversion.json"
_FILES = (ANNOTATIONS, MANIFEST)


@dataclass(frozen=True, slots=True)
class LastTime:
    """What the library keeps of the last data set.

    Attributes:
        library: with the listing as it is now, and the tags of pictures.
        asked: everything besides that a data set follows from.
    """

    library: Library
    asked: str

    def give(self, out: Path) -> Mapping[str, Any] | None:
        """Make the folder `out`, and say what was told of it last time; None where anything has changed.

        Raises:
            OSError: the folder cannot be written.
        """
        kept = None if self.library.pictures_changed() else self.library.last(self._digest())
        if kept is None or (out.exists() and any(out.iterdir())):
            return None
        told, names = kept
        folder = self.library.folder / "last"
        if not all((folder / name).is_file() for name in _FILES):
            return None
        made: set[Path] = set()
        images = out / IMAGES
        for name, sha256 in names:
            path = images / name
            if path.parent not in made:
                path.parent.mkdir(parents=True, exist_ok=True)
                made.add(path.parent)
            linked_or_copied(self.library.picture_path(sha256), path)
        for name in _FILES:
            shutil.copyfile(folder / name, out / name)
        return told

    def keep(self, out: Path, told: Mapping[str, Any], pictures: Mapping[str, str]) -> None:
        """Keep a data set for the next time.

        Args:
            out: its folder.
            told: what is said of it.
            pictures: SHA-256 of its images, by their names; the library has them.
        """
        folder = self.library.folder / "last"
        folder.mkdir(exist_ok=True)
        for name in _FILES:
            shutil.copyfile(out / name, folder / name)
        self.library.keep_last(self._digest(), told, pictures.items())

    def _digest(self) -> str:
        digest = hashlib.sha256(self.asked.encode())
        for row in self.library.state():
            digest.update(json.dumps(row).encode())
        return digest.hexdigest()


def linked_or_copied(image: Path, path: Path) -> None:
    """A second name for a picture that never changes; a copy where the disk is another.

    Raises:
        OSError: it cannot be written.
    """
    try:
        os.link(image, path)
    except OSError:
        shutil.copyfile(image, path)
