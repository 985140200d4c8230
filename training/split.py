"""Which images are learnt from, and which only tell how good a model is.

The side of an image follows from its own bytes and from nothing else. It stays where it is however many
others come, under whatever name it comes again, and in every job; so a model is never measured on what it,
or the one that it goes on from, has learnt from.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ritm_model.datasets.json_stream import rewritten
from ritm_model.datasets.readers.coco_rle import ANNOTATIONS, IMAGES
from ritm_model.errors import RitmError
from ritm_model.files import new_file
from ritm_model.learning.held_out import is_held_out

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
    sides: dict[object, str] = {}
    owners: Counter[object] = Counter()

    def divided(key: str, record: Any) -> object:
        if key == "images":
            side = side_of((folder / IMAGES / record["file_name"]).read_bytes(), share)
            sides[record["id"]] = side
            return {**record, "split": side}
        if key == "annotations" and not (
            record.get("iscrowd") or record.get("ignore") or record.get("stuff")
        ):
            owners[record["image_id"]] += 1
        return record

    with new_file(path) as file:
        for text in rewritten(path, divided):
            file.write(text.encode())
    images = Counter(sides.values())
    objects = {
        side: sum(owners[image] for image in sides if sides[image] == side) for side in (LEARNT, HELD_OUT)
    }
    if not objects[LEARNT] or objects[HELD_OUT] < least_objects:
        raise TooFewLabelsError(
            f"There are too few labels: {len(sides)} images have {objects[LEARNT]} objects to learn "
            f"from, of which 1 is needed, and {objects[HELD_OUT]} that are held out for measuring, of "
            f"which {least_objects} are needed."
        )
    return Split(images[LEARNT], objects[LEARNT], images[HELD_OUT], objects[HELD_OUT])
