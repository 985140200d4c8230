"""COCO and LVIS combined, by the rules of the paper: the objects of both, their parts, and stuff.

Objects of LVIS are drawn more carefully, so they replace those of COCO that are the same. Shapes: H x W the
photograph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ritm_model.datasets.converters.hierarchy import Mask, MaskShape, are_the_same, hierarchy, shape_of
from ritm_model.datasets.files import inside
from ritm_model.datasets.named_files import NamedFiles
from ritm_model.datasets.photograph import About, Collection, Photograph, Region
from ritm_model.datasets.problems import BrokenFileError, ConversionError, Problem
from ritm_model.datasets.readers.coco import category_name
from ritm_model.datasets.readers.coco_json import Annotation, CocoJson, Id, Record, id_of, read_coco
from ritm_model.datasets.readers.coco_panoptic import segment_numbers, segments_of
from ritm_model.datasets.readers.lvis import lvis_mask
from ritm_model.errors import shown
from ritm_model.masks.coco import MaskError, broken_parts

LEAST_AREA = 80
MOST_STUFF_LEFT_OUT = 500
SAME_IN_BOTH = 0.7
SAME_IN_LVIS = 0.85
SOURCE = "coco_lvis"


@dataclass(frozen=True, slots=True)
class PanopticSegment:
    """A segment of a panoptic image."""

    number: int
    category: str
    is_thing: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that may be taken."""

    key: str
    category: str
    shape: MaskShape


@dataclass(frozen=True, slots=True)
class CombinedPhotograph:
    """A photograph that both data sets have."""

    name: str
    image: Path
    about: About
    panoptic: Path
    segments: tuple[PanopticSegment, ...] = field(repr=False)
    polygons: tuple[tuple[Annotation, str], ...] = field(repr=False)
    lvis_file: Path

    @property
    def truth(self) -> str:
        return str(self.lvis_file)

    def regions(self, height: int, width: int) -> Iterator[Region | Problem]:
        """Objects of COCO that LVIS does not have, objects of LVIS, then stuff."""
        numbers_HW = segment_numbers(self.panoptic)
        if numbers_HW.shape != (height, width):
            raise BrokenFileError(self.panoptic, "The mask is of another size than its photograph.")
        problems: list[Problem] = []
        parts: list[Problem] = []
        lvis = self._lvis(height, width, problems, parts)
        coco = [
            candidate
            for candidate in self._coco(numbers_HW)
            if not any(are_the_same(candidate.shape, other.shape, SAME_IN_BOTH) for other in lvis)
        ]
        objects = [*coco, *_without_doubles(lvis)]
        yield from problems
        yield from parts
        nodes = hierarchy([candidate.shape for candidate in objects])
        for candidate, node in zip(objects, nodes, strict=True):
            parent = None if node.parent is None else objects[node.parent].key
            yield Region(candidate.shape.mask_HW, candidate.key, candidate.category, parent=parent)
        yield from self._stuff(numbers_HW, objects)
        things = sum(segment.is_thing for segment in self.segments)
        left_out = things + len(self.polygons) - len(problems) - len(objects)
        if left_out:
            reason = f"Objects of fewer than {LEAST_AREA} pixels, or there twice: {left_out}."
            yield Problem(self.truth, f"Image {self.name}: {reason}", by_rule=True)

    def _lvis(
        self, height: int, width: int, problems: list[Problem], parts: list[Problem]
    ) -> list[Candidate]:
        """Objects of LVIS; `problems` hears of broken ones, `parts` of broken polygons of others."""
        candidates: list[Candidate] = []
        for annotation, category in self.polygons:
            segmentation, where = annotation.segmentation(self.lvis_file), f"Annotation {annotation.id}"
            try:
                mask_HW = lvis_mask(segmentation, height, width)
            except MaskError as error:
                problems.append(Problem(self.truth, f"{where}: {error}"))
                continue
            candidates += _large_enough(f"lvis:{annotation.id}", category, mask_HW)
            parts += [
                Problem(self.truth, f"{where}: {reason}")
                for reason in broken_parts(segmentation, height, width)
            ]
        return candidates

    def _coco(self, numbers_HW: npt.NDArray[np.int32]) -> Iterator[Candidate]:
        for segment in self.segments:
            if segment.is_thing:
                yield from _large_enough(
                    f"coco:{segment.number}", segment.category, numbers_HW == segment.number
                )

    def _stuff(self, numbers_HW: npt.NDArray[np.int32], objects: Sequence[Candidate]) -> Iterator[Region]:
        free_HW = np.ones(numbers_HW.shape, np.bool_)
        for candidate in objects:
            free_HW &= ~candidate.shape.mask_HW
        for segment in self.segments:
            if not segment.is_thing:
                stuff_HW = (numbers_HW == segment.number) & free_HW
                if np.count_nonzero(stuff_HW) > MOST_STUFF_LEFT_OUT:
                    yield Region(stuff_HW, f"coco:{segment.number}", segment.category, "stuff")


def coco_lvis(coco: Path, lvis: Path, splits: Sequence[str]) -> Collection:
    """Find the photographs that both data sets have in a split of the same name.

    Args:
        coco: folder of COCO 2017: annotations/panoptic_<split>2017.json and .../panoptic_<split>2017/*.png,
            photographs in <split>2017/.
        lvis: folder of LVIS: <split>/lvis_<split>.json or <split>/lvis_v1_<split>.json; photographs that
            COCO's folder lacks in <split>/images/.
        splits: such as "train" and "val".

    Raises:
        DatasetError: a file is missing or not what it should be.
        ConversionError: LVIS lacks the split.
    """
    photographs: list[Photograph] = []
    problems: list[Problem] = []
    for split in splits:
        photographs += _photographs(coco, lvis, split, problems)
    return Collection(photographs, problems)


def _photographs(coco: Path, lvis: Path, split: str, problems: list[Problem]) -> Iterator[Photograph]:
    polygons, lvis_file = _polygons(lvis, split, problems)
    folder = coco / "annotations" / f"panoptic_{split}2017"
    source = read_coco(folder.with_suffix(".json"))
    names = source.categories(problems)
    things = {number for number, record in source.by_id("categories", []).items() if record.get("isthing")}
    photographs = NamedFiles(coco / f"{split}2017", ".jpg"), NamedFiles(lvis / split / "images", ".jpg")
    not_in_lvis = 0
    for record in source.streamed("annotations", problems):
        number = record.get("image_id")
        if not isinstance(number, int) or number not in polygons:
            not_in_lvis += 1
            continue
        try:
            panoptic = inside(folder, record.get("file_name"))
            found = (images.find(panoptic.stem) for images in photographs)
            image = next(filter(None, found), None) or photographs[0].path(panoptic.stem)
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        yield CombinedPhotograph(
            image.name,
            image,
            About(split, SOURCE, number=number),
            panoptic,
            tuple(_segments(source, record, things, names, problems)),
            polygons.pop(number),
            lvis_file,
        )
    for count, path in ((not_in_lvis, str(source.path)), (len(polygons), str(lvis_file))):
        if count:
            reason = f"Images that only one of COCO and LVIS has: {count}."
            problems.append(Problem(path, reason, by_rule=True))


def _polygons(
    lvis: Path, split: str, problems: list[Problem]
) -> tuple[dict[Id, tuple[tuple[Annotation, str], ...]], Path]:
    paths = [lvis / split / f"{name}_{split}.json" for name in ("lvis", "lvis_v1")]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise ConversionError(f"LVIS has no split '{split}': {paths[0]} is missing.")
    source = read_coco(path)
    categories = source.categories(problems)
    annotations = source.annotations_of(source.by_id("images", problems), problems)
    return {
        number: tuple((each, category_name(categories, each.category)) for each in of_image)
        for number, of_image in annotations.items()
    }, path


def _segments(
    source: CocoJson,
    record: Record,
    things: set[Id],
    names: dict[Id, str],
    problems: list[Problem],
) -> Iterator[PanopticSegment]:
    """Crowds are things, too."""
    for segment in segments_of(record):
        number, category = segment.get("id"), id_of(segment.get("category_id"))
        if type(number) is not int:
            problems.append(source.problem(f"A segment of {shown(record.get('file_name'))} has no id."))
        elif category not in names:
            mask = shown(record.get("file_name"))
            problems.append(source.problem(f"Segment {number} of {mask} has no category."))
        else:
            yield PanopticSegment(number, category_name(names, category), category in things)


def _large_enough(key: str, category: str, mask_HW: Mask) -> Iterator[Candidate]:
    shape = shape_of(mask_HW)
    if shape is not None and shape.area >= LEAST_AREA:
        yield Candidate(key, category, shape)


def _without_doubles(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Of masks that are the same, the last one counts."""
    return [
        candidate
        for place, candidate in enumerate(candidates)
        if not any(
            are_the_same(candidate.shape, later.shape, SAME_IN_LVIS) for later in candidates[place + 1 :]
        )
    ]
