"""The COCO-RLE layout: one folder that `ritm train`, `ritm evaluate` and COCO's own tools all read.

    annotations.json   a file in the format of COCO
    images/            the photographs, under the `file_name` of their records; copies or links
    conversion.json    what was taken, what was left out and why (written by `ritm dataset`, not read here)

Records of annotations.json; what is in brackets may be absent, and is not COCO's but ours:

    licenses      id, name, url
    categories    id, name
    images        id, file_name, height, width, license (an id, or absent), [split], [source], [license_class]
    annotations   id, image_id, category_id, area, bbox, iscrowd,
                  segmentation {"size": [height, width], "counts": packed runs as text},
                  [ignore]  1: nobody knows what these pixels are; `iscrowd` is 1, too, so that others skip it
                  [stuff]   1: sky, road and the like where no object is; no object itself
                  [parent, children, level]  ids of annotations of the same image, for an object that is part
                            of another or has parts; whole objects are of level 0, their parts of level 1 …

Photographs are upright. Objects may overlap; those that have no `parent` are whole objects.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ritm_model.datasets.photograph import Collection, Photograph
from ritm_model.datasets.problems import DatasetError
from ritm_model.datasets.readers.coco import CocoPhotograph, photographs_of, with_objects
from ritm_model.datasets.readers.coco_json import read_coco

ANNOTATIONS = "annotations.json"
IMAGES = "images"


def is_coco_rle(folder: Path) -> bool:
    """Whether a folder looks like this layout."""
    return (folder / ANNOTATIONS).is_file()


def coco_rle(root: Path, split: str) -> Collection:
    """A folder that `ritm dataset` has written, or the part of it whose images name the split.

    Crowds, as other tools write them, are pixels that nobody knows.

    Raises:
        DatasetError: no image names it.
    """
    source = read_coco(root / ANNOTATIONS)
    found = photographs_of(source, [root / IMAGES])
    known = [_with_crowds_ignored(photograph) for photograph in found.photographs]
    collection = with_objects(source, replace(found, photographs=known), split)
    if not collection.photographs and split:
        raise DatasetError(f"No image of {source.path} with an object is of the split '{split}'.")
    return collection


def _with_crowds_ignored(photograph: Photograph) -> CocoPhotograph:
    assert isinstance(photograph, CocoPhotograph)
    annotations = tuple(
        (replace(annotation, kind="ignored") if annotation.kind == "crowd" else annotation, category)
        for annotation, category in photograph.annotations
    )
    return replace(photograph, annotations=annotations)
