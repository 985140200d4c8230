"""From photographs with regions to a data set of samples, one per object, with nothing lost on the way.

`survey` reads everything once, so that whatever is broken is known, and counted, before an evaluation begins.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ritm_model.cpus import usable_cpus
from ritm_model.datasets.photograph import (
    Collection,
    Mask,
    Photograph,
    Region,
    load_image,
    regions_of,
    union_of,
)
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.errors import shown
from ritm_model.images import Pixels
from ritm_model.simulation import IGNORED, OBJECT

Truth = npt.NDArray[np.int8]
OnProgress = Callable[[int, int], None]
"""Called with the number of photographs read and the number of all."""

NO_OBJECTS = {
    "crowd": "Crowds in image {}, which are not one object",
    "stuff": "Stuff in image {}, which is no object",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One object on one photograph.

    Attributes:
        name: which one, unique in its data set.
        mask: H x W int8, 1 on the object, -1 where nothing counts, 0 elsewhere.
        category: class of the object, or nothing.
        photograph: where it is.
    """

    name: str
    mask: Truth = field(repr=False)
    category: str
    photograph: Photograph = field(repr=False)

    def load_image(self) -> Pixels:
        """H x W x 3 uint8 RGB, upright. Raises BrokenFileError."""
        return load_image(self.photograph)


@dataclass(frozen=True, slots=True)
class Dataset:
    """All usable objects, in a fixed order.

    Attributes:
        name: as it was asked for.
        photographs: those with at least one usable object.
        sizes: height and width of each of them.
        index: for each sample, which photograph and which of its objects.
        problems: everything that was left out.
    """

    name: str
    photographs: tuple[Photograph, ...] = field(repr=False)
    sizes: tuple[tuple[int, int], ...] = field(repr=False)
    index: tuple[tuple[int, str], ...] = field(repr=False)
    problems: tuple[Problem, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int, /) -> Sample:
        """Read one sample.

        Raises:
            IndexError: there is none.
            BrokenFileError: a file has changed since the data set was opened.
        """
        place, key = self.index[index]
        photograph = self.photographs[place]
        sample = read_samples(photograph, self.sizes[place], {key}).get(key)
        if sample is None:
            raise BrokenFileError(
                photograph.truth, f"Object {key or '1'} is gone since the data set was opened."
            )
        return sample


def sample_name(photograph: Photograph, key: str) -> str:
    return f"{photograph.name}#{key}" if key else photograph.name


def read_samples(photograph: Photograph, size: tuple[int, int], keys: set[str]) -> dict[str, Sample]:
    """The samples of one photograph, by the keys of their objects; those that are not there are left out.

    Raises:
        BrokenFileError: the annotation cannot be read, and none of the objects is there.
    """
    regions: list[Region] = []
    try:
        regions += [found for found in regions_of(photograph, *size) if isinstance(found, Region)]
    except BrokenFileError:
        if not regions:
            raise
    unknown_HW = union_of([region.mask for region in regions if region.kind == "ignored"], size)
    samples: dict[str, Sample] = {}
    for region in regions:
        if region.kind == "object" and region.key in keys and region.key not in samples:
            ignored_HW = unknown_HW if region.ignored_HW is None else unknown_HW | region.ignored_HW
            truth_HW = truth_of(region.mask, ignored_HW)
            name = sample_name(photograph, region.key)
            samples[region.key] = Sample(name, truth_HW, region.category, photograph)
    return samples


def survey(name: str, collection: Collection, on_progress: OnProgress | None = None) -> Dataset:
    """Open every photograph and every object, and keep those that can be annotated."""
    problems = list(collection.problems)
    photographs: list[Photograph] = []
    sizes: list[tuple[int, int]] = []
    index: list[tuple[int, str]] = []
    seen: set[str] = set()
    with ThreadPoolExecutor(usable_cpus()) as pool:  # decoding releases Python's lock
        for count, (photograph, (size, keys, left_out)) in enumerate(
            zip(collection.photographs, pool.map(_surveyed, collection.photographs), strict=True), 1
        ):
            problems += left_out
            before = len(index)
            for key in keys:
                sample = sample_name(photograph, key)
                if sample in seen:
                    reason = f"{shown(sample)} is there twice; the first counts."
                    problems.append(Problem(photograph.truth, reason))
                else:
                    seen.add(sample)
                    index.append((len(photographs), key))
            if len(index) > before:
                photographs.append(photograph)
                sizes.append(size)
            if on_progress is not None:
                on_progress(count, len(collection.photographs))
    return Dataset(name, tuple(photographs), tuple(sizes), tuple(index), tuple(problems))


def _surveyed(photograph: Photograph) -> tuple[tuple[int, int], list[str], list[Problem]]:
    size = 0, 0
    keys: list[str] = []
    problems: list[Problem] = []
    others: Counter[str] = Counter()
    try:
        height, width, _ = load_image(photograph).shape
        size = height, width
        for found in regions_of(photograph, *size):
            if isinstance(found, Problem):
                problems.append(found)
            elif found.kind != "object":
                others[found.kind] += 1
            elif reason := _unusable(found, size):
                problems.append(Problem(photograph.truth, reason))
            else:
                keys.append(found.key)
    except BrokenFileError as error:
        problems.append(error.problem)  # objects before it stay usable
    for kind, what in NO_OBJECTS.items():
        if others[kind]:
            reason = f"{what.format(shown(photograph.name))}: {others[kind]}."
            problems.append(Problem(photograph.truth, reason, by_rule=True))
    return size, keys, problems


def _unusable(found: Region, size: tuple[int, ...]) -> str:
    which = f"mask of object {found.key}" if found.key else "mask"
    if found.labels_HW.shape != size:
        mask_height, mask_width = found.labels_HW.shape
        height, width = size
        return f"The {which} is {mask_width} x {mask_height} pixels large, its image {width} x {height}."
    if not found.mask.any():
        return f"The {which} has no object."
    return ""


def truth_of(object_HW: Mask, ignored_HW: Mask | None = None) -> Truth:
    """Put object and ignored pixels, both H x W bool, into one H x W int8 mask; the object wins."""
    truth_HW = np.zeros(object_HW.shape, np.int8)
    if ignored_HW is not None:
        truth_HW[ignored_HW] = IGNORED
    truth_HW[object_HW] = OBJECT
    return truth_HW
