"""LVIS: overlapping polygons, painted one over the other.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ritm_model.datasets.mask_files import small_labels
from ritm_model.datasets.photograph import Collection, Mask, Region
from ritm_model.datasets.problems import Problem
from ritm_model.datasets.readers.coco import (
    CocoPhotograph,
    check_size,
    folders_near,
    photographs_of,
    url_name_of,
    with_objects,
)
from ritm_model.datasets.readers.coco_json import Annotation, read_coco
from ritm_model.images.orientation import turned_map
from ritm_model.masks.coco import MaskError, broken_parts, coco_mask, filled_polygons, is_runs

MAX_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class LvisPhotograph(CocoPhotograph):
    """An image whose objects cover each other.

    They are painted in the order of the file; learning shuffles them. One that covers more than half
    of what is visible of another, or lies on others with more than half of itself, is left out. An object
    is what remains visible of it.
    """

    def regions(self, height: int, width: int) -> Iterator[Region | Problem]:
        orientation = check_size(self, self.record, height, width)
        if orientation != 1:
            height, width = width, height
        painted_HW = np.zeros((height, width), np.int32)
        painted: dict[int, tuple[Annotation, str]] = {}
        for number, (annotation, category) in enumerate(self.annotations, 1):
            segmentation = annotation.segmentation(self.source)
            try:
                mask_HW = lvis_mask(segmentation, height, width)
            except MaskError as error:
                yield self._problem(annotation, str(error))
                continue
            for reason in broken_parts(segmentation, height, width):
                yield self._problem(annotation, reason)
            if not mask_HW.any():
                yield self._problem(annotation, "The mask has no object.")
                continue
            below = np.bincount(painted_HW[mask_HW])
            areas = np.bincount(painted_HW.ravel(), minlength=below.size)[: below.size]
            if below[1:].sum() > MAX_OVERLAP * mask_HW.sum():
                yield self._problem(annotation, "It lies on other objects.", by_rule=True)
            elif (below[1:] > MAX_OVERLAP * areas[1:]).any():
                yield self._problem(annotation, "It covers another object.", by_rule=True)
            else:
                painted_HW[mask_HW] = number
                painted[number] = annotation, category
        labels_HW = turned_map(small_labels(painted_HW), orientation)
        for number, (annotation, category) in painted.items():
            yield Region(labels_HW, annotation.id, category, value=number)

    def drawn(self, random: np.random.Generator) -> LvisPhotograph:
        order = random.permutation(len(self.annotations))
        return replace(self, annotations=tuple(self.annotations[place] for place in order))

    def _problem(self, annotation: Annotation, reason: str, *, by_rule: bool = False) -> Problem:
        return Problem(self.truth, f"Annotation {annotation.id}: {reason}", by_rule)


def lvis_mask(segmentation: object, height: int, width: int) -> Mask:
    """Polygons as LVIS has them, or runs, as other tools write them into such files. Raises MaskError."""
    paint = coco_mask if is_runs(segmentation) else filled_polygons
    return paint(segmentation, height, width)


def lvis(root: Path, split: str) -> Collection:
    """All annotated images of a file of LVIS, or of a folder with a split.

    The paper's code calls the file `<split>/lvis_<split>.json`, LVIS itself `<split>/lvis_v1_<split>.json`.
    Images lie where COCO 2017 has them, or near a file that is given by its path.
    """
    if root.suffix.lower() == ".json":
        path, folders = root, folders_near(root, split)
    else:
        paths = [root / split / f"lvis_{version}{split}.json" for version in ("", "v1_")]
        path = next((path for path in paths if path.exists()), paths[0])
        others = dict.fromkeys((split, "train", "val"))
        folders = [root / other / "images" for other in others] + [root / f"{other}2017" for other in others]
    source = read_coco(path)
    return with_objects(source, photographs_of(source, folders, name_of=url_name_of, kind=LvisPhotograph))
