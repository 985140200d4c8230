"""From photographs and mask files, in any of the layouts that evaluation and training read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ritm_model.datasets.layouts import DATASETS
from ritm_model.datasets.photograph import About, Collection, Photograph
from ritm_model.datasets.places import find_dataset
from ritm_model.datasets.problems import ConversionError, Problem
from ritm_model.datasets.readers.folders import label_maps, numbered_masks

# COCO's own files have a converter that loses nothing; the masks of Open Images shrink photographs.
LAYOUTS = tuple(name for name in DATASETS if name not in ("COCO", "coco_rle", "OpenImages"))

_OWN = {"images_dir": numbered_masks, "labels": label_maps}
"""Layouts whose masks may have names of any pattern."""


def from_masks(
    root: Path, layout: str, splits: Sequence[str], about: About, mask_pattern: str = ""
) -> Collection:
    """Find photographs and their masks.

    Args:
        root: folder of the layout, or the file in which a layout lists all.
        layout: one of `LAYOUTS`.
        splits: which parts of it; none for the whole, or for the part that the layout takes by itself.
        about: what is said of every photograph.
        mask_pattern: names of masks, such as `{stem}_mask`; nothing for those of the layout.

    Raises:
        ConversionError: there is no such layout, or it takes no pattern.
        DatasetError: the folder is not laid out so.
    """
    if layout not in LAYOUTS:
        raise ConversionError(f"'{layout}' is no layout of masks; known ones are {', '.join(LAYOUTS)}.")
    if mask_pattern and layout not in _OWN:
        raise ConversionError(f"--mask-pattern is for the layouts {' and '.join(_OWN)}, not for {layout}.")
    photographs: list[Photograph] = []
    problems: list[Problem] = []
    for split in splits or ("",):
        name = f"{layout}:{split}" if split else layout
        place = find_dataset(name, {layout: root})
        if missing := place.missing():
            raise ConversionError(f"{root} is no folder of the layout {layout}: {missing[0]} is missing.")
        if mask_pattern:
            found = _OWN[layout](place.root, place.split, mask_pattern)
        else:
            found = place.layout.read(place.root, place.split)
        said = replace(about, split=place.split or about.split)
        known: Any = found.photographs  # each kind of photograph is a dataclass that says what is known of it
        photographs += [replace(photograph, about=said) for photograph in known]
        problems += found.problems
    return Collection(photographs, problems)
