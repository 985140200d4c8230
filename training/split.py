"""Which images are learnt from, and which only tell how good a model is.

The side of an image follows from its own bytes and from nothing else. It stays where it is however many
others come, under whatever name it comes again, and in every job; so a model is never measured on what it,
or the one that it goes on from, has learnt from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ritm_model.datasets.readers.coco_rle import ANNOTATIONS, IMAGES
from ritm_model.errors import RitmError
from ritm_model.files import write_file
from ritm_model.learning.sources import is_held_out

LEARNT = "train"
HELD_OUT = "val"


class TooFewLabelsError(RitmError):
    """There is too little to learn from, or to measure on."""


@dataclass(frozen=True, slots=True)
class Split:
    """How many images and objects stand on each side."""

    learnt_images: int
    learnt_objects: int
    held_out_images: int
    held_out_objects: int


def side_of(image: bytes, share: float) -> str:
    """LEARNT or HELD_OUT, for the bytes of an image file and the share that is held out.

    With a larger share, images only change from the first to the second.
    """
    return HELD_OUT if is_held_out(hashlib.sha256(image).hexdigest(), share) else LEARNT


def divide_dataset(folder: Path, share: float, least_objects: int) -> Split:
    """Write the side of each image into the `split` of its record. Done twice, it changes nothing.

    Args:
        folder: of the COCO-RLE layout.
        share: of the images that is held out.
        least_objects: that must be held out, for a measure to mean something.

    Raises:
        TooFewLabelsError: one side has too little.
    """
    path = folder / ANNOTATIONS
    content = json.loads(path.read_bytes())
    images = content["images"]
    sides: dict[int, str] = {}
    for image in images:
        data = (folder / IMAGES / image["file_name"]).read_bytes()
        sides[image["id"]] = image["split"] = side_of(data, share)
    write_file(path, json.dumps(content))
    counts = _counts(sides, content["annotations"])
    if not counts.learnt_objects or counts.held_out_objects < least_objects:
        raise TooFewLabelsError(
            f"There are too few labels: {len(images)} images have {counts.learnt_objects} objects to learn "
            f"from, of which 1 is needed, and {counts.held_out_objects} that are held out for measuring, of "
            f"which {least_objects} are needed."
        )
    return counts


def _counts(sides: Mapping[int, str], annotations: Iterable[Mapping[str, Any]]) -> Split:
    objects = [
        sides[record["image_id"]]
        for record in annotations
        if not (record.get("iscrowd") or record.get("ignore") or record.get("stuff"))
    ]
    of_images = list(sides.values())
    return Split(
        of_images.count(LEARNT), objects.count(LEARNT), of_images.count(HELD_OUT), objects.count(HELD_OUT)
    )
