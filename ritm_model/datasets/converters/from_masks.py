"""From photographs and mask files, in any of the layouts that evaluation and training read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ritm_model.datasets.layouts import DATASETS
from ritm_model.datasets.photograph import About, Collection, Photograph, Region
from ritm_model.datasets.places import find_dataset
from ritm_model.datasets.problems import ConversionError, Problem

# COCO's own files have a converter that loses nothing; the masks of Open Images shrink photographs.
LAYOUTS = tuple(name for name in DATASETS if name not in ("COCO", "coco_rle", "OpenImages"))


@dataclass(frozen=True, slots=True)
class DescribedPhotograph:
    """A photograph of which more is known than its reader knows."""

    photograph: Photograph
    about: About

    @property
    def name(self) -> str:
        return self.photograph.image.name

    @property
    def image(self) -> Path:
        return self.photograph.image

    @property
    def truth(self) -> str:
        return self.photograph.truth

    def regions(self, height: int, width: int) -> Iterator[Region | Problem]:
        return self.photograph.regions(height, width)


def from_masks(root: Path, layout: str, splits: Sequence[str], about: About) -> Collection:
    """Find photographs and their masks.

    Args:
        root: folder of the layout.
        layout: one of `LAYOUTS`.
        splits: which parts of it; none for the whole, or for the part that the layout takes by itself.
        about: what is said of every photograph.

    Raises:
        ConversionError: there is no such layout.
        DatasetError: the folder is not laid out so.
    """
    if layout not in LAYOUTS:
        raise ConversionError(f"'{layout}' is no layout of masks; known ones are {', '.join(LAYOUTS)}.")
    photographs: list[Photograph] = []
    problems: list[Problem] = []
    for split in splits or ("",):
        name = f"{layout}:{split}" if split else layout
        place = find_dataset(name, {layout: root})
        if missing := place.missing():
            raise ConversionError(f"{root} is no folder of the layout {layout}: {missing[0]} is missing.")
        found = place.layout.read(place.root, place.split)
        said = replace(about, split=place.split or about.split)
        photographs += [DescribedPhotograph(photograph, said) for photograph in found.photographs]
        problems += found.problems
    return Collection(photographs, problems)
