"""From any file in the format of COCO: polygons, runs, packed runs, crowds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ritm_model.datasets.photograph import About, Collection
from ritm_model.datasets.readers.coco import photographs_of
from ritm_model.datasets.readers.coco_json import read_coco


def from_coco(
    path: Path, about: About, folders: Sequence[Path] = (), images_from: Sequence[Path] = ()
) -> Collection:
    """Find all photographs of a file. Crowds become ignored regions.

    Args:
        path: of the JSON file.
        about: what is said of every photograph; licences that the file names come first.
        folders: where they should be, under the names of the file; the folder of the file, and `images` in
            it, if none are given.
        images_from: folders in which they may lie anywhere, looked for by path and by name.

    Raises:
        BrokenFileError: it is no such file.
        DatasetError: the folders do not hold any of the photographs.
    """
    folders = folders or images_from or [path.parent, path.parent / "images"]
    return photographs_of(read_coco(path), folders, about, images_from)
