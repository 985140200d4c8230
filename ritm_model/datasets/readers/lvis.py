"""LVIS: overlapping polygons, painted one over the other.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np

from ritm_model.datasets.files import inside, small_labels
from ritm_model.datasets.photograph import NOTHING_KNOWN, About, Collection, Region
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.readers.coco import category_name, check_size
from ritm_model.datasets.readers.coco_json import Annotation, Record, read_coco
from ritm_model.masks.coco import MaskError, broken_parts, filled_polygons

MAX_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class LvisPhotograph:
    """An image whose objects cover each other.

    They are painted in the order of the file; learning shuffles them. One that covers more than half
    of what is visible of another, or lies on others with more than half of itself, is left out. An object
    is what remains visible of it.
    """

    image: Path
    source: Path
    record: Record = field(repr=False)
    annotations: tuple[tuple[Annotation, str], ...] = field(repr=False)
    about: About = NOTHING_KNOWN

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def truth(self) -> str:
        return str(self.source)

    def regions(self, height: int, width: int) -> Iterator[Region | Problem]:
        check_size(self, self.record, height, width)
        painted_HW = np.zeros((height, width), np.int32)
        painted: dict[int, tuple[Annotation, str]] = {}
        for number, (annotation, category) in enumerate(self.annotations, 1):
            segmentation = annotation.segmentation(self.source)
            try:
                mask_HW = filled_polygons(segmentation, height, width)
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
        labels_HW = small_labels(painted_HW)
        for number, (annotation, category) in painted.items():
            yield Region(labels_HW, annotation.id, category, value=number)

    def drawn(self, random: np.random.Generator) -> LvisPhotograph:
        order = random.permutation(len(self.annotations))
        return replace(self, annotations=tuple(self.annotations[place] for place in order))

    def _problem(self, annotation: Annotation, reason: str, *, by_rule: bool = False) -> Problem:
        return Problem(self.truth, f"Annotation {annotation.id}: {reason}", by_rule)


def lvis(root: Path, split: str) -> Collection:
    """All annotated images of a file of LVIS.

    The paper's code calls it `<split>/lvis_<split>.json`, LVIS itself `<split>/lvis_v1_<split>.json`.
    Images lie where COCO 2017 has them.
    """
    paths = [root / split / f"lvis_{version}{split}.json" for version in ("", "v1_")]
    source = read_coco(next((path for path in paths if path.exists()), paths[0]))
    problems: list[Problem] = []
    images = source.by_id("images", problems)
    annotations = source.annotations_of(images, problems)
    categories = source.categories(problems)
    photographs: list[LvisPhotograph] = []
    for number, record in images.items():
        url = str(record.get("coco_url", ""))
        folder = root / ("train" if "train2017" in url else "val") / "images"
        try:
            image = inside(folder, PurePosixPath(url).name)
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        if not annotations[number]:
            problems.append(source.problem(f"Image {image.name} has no object.", by_rule=True))
            continue
        objects = tuple((each, category_name(categories, each.category)) for each in annotations[number])
        photographs.append(LvisPhotograph(image, source.path, record, objects))
    return Collection(photographs, problems)
