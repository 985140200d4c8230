"""From any file in the format of COCO: polygons, runs, packed runs, crowds."""

from __future__ import annotations

from pathlib import Path

from ritm_model.datasets.photograph import About, Collection
from ritm_model.datasets.readers.coco import photographs_of
from ritm_model.datasets.readers.coco_json import read_coco


def from_coco(path: Path, images: Path | None, about: About) -> Collection:
    """Find all photographs of a file. Crowds become ignored regions.

    Args:
        path: of the JSON file.
        images: folder of the photographs; None for the folder of the file, or `images` in it.
        about: what is said of every photograph; licences that the file names come first.

    Raises:
        BrokenFileError: it is no such file.
        DatasetError: the folder does not hold any of the photographs.
    """
    folders = [images] if images is not None else [path.parent, path.parent / "images"]
    return photographs_of(read_coco(path), folders, about)
