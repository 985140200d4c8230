"""From one photograph to one record: read, checked, its regions packed, its file copied.

Shapes: H x W the upright photograph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pycocotools import mask as coco

from ritm_model.datasets.photograph import (
    Embedded,
    Kind,
    Mask,
    Photograph,
    Region,
    image_bytes,
    regions_of,
    sound_parents,
    union_of,
)
from ritm_model.datasets.problems import BrokenFileError, ConversionError, Problem
from ritm_model.files import new_path, writing
from ritm_model.images import ImageError, decode_image

Placing = Literal["copy", "link"]
Record = Mapping[str, Any]
"""What is kept of a photograph, as JSON: name, image or None, regions, problems."""

ONLY_KEY = "1"  # of an object that is alone on its photograph
WRITTEN_AS: Mapping[Kind, Kind] = {"crowd": "ignored"}  # nobody knows where one object of it ends


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a process needs to convert any photograph.

    Attributes:
        images: folder that the photographs go to.
        placing: copy them, or link to them.
    """

    images: Path
    placing: Placing

    def __call__(self, photograph: Photograph) -> Record:
        """Convert one photograph; whatever is wrong with it is told in the record.

        Raises:
            ConversionError: the photograph cannot be written.
        """
        problems: list[Problem] = []
        regions: list[Region] = []
        image = None
        try:
            data = image_bytes(photograph)
            height, width = _size(data, photograph.image)
            regions = self._regions(photograph, height, width, problems)
            if any(region.kind == "object" for region in regions):
                self._place(data, photograph)
                about = {
                    key: value for key, value in asdict(photograph.about).items() if value not in ("", None)
                }
                image = {"height": height, "width": width, **about}
            else:
                reason = "The photograph has no object that can be used."
                problems.append(Problem(str(photograph.image), reason, by_rule=True))
        except BrokenFileError as error:
            problems.append(error.problem)
        return {
            "name": photograph.name,
            "image": image,
            "regions": [_packed(region) for region in regions] if image else [],
            "problems": [[problem.file, problem.reason, problem.by_rule] for problem in problems],
        }

    def _regions(
        self, photograph: Photograph, height: int, width: int, problems: list[Problem]
    ) -> list[Region]:
        size = height, width
        regions: dict[str, Region] = {}
        for found in regions_of(photograph, height, width):
            if isinstance(found, Problem):
                problems.append(found)
                continue
            key = found.key or ONLY_KEY
            if reason := _unusable(found, size) or "It is there twice." * (key in regions):
                problems.append(Problem(str(photograph.image), f"Region {key}: {reason}"))
            else:
                regions[key] = replace(found, key=key, kind=WRITTEN_AS.get(found.kind, found.kind))
        parents = sound_parents(regions)
        sound = [replace(region, parent=parents.get(key)) for key, region in regions.items()]
        unknown_HW = union_of([region.ignored_HW for region in sound], size)
        if unknown_HW.any():
            unknown_HW &= ~union_of([region.mask for region in sound if region.kind == "object"], size)
        if unknown_HW.any():
            sound.append(Region(unknown_HW, "ignored", kind="ignored"))
        return sound

    def _place(self, data: bytes, photograph: Photograph) -> None:
        path = self.images / photograph.name
        with writing(path, ConversionError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with new_path(path) as unfinished:
                if self.placing == "link" and not isinstance(photograph, Embedded):
                    unfinished.symlink_to(photograph.image.resolve())
                else:
                    unfinished.write_bytes(data)


def _size(data: bytes, path: Path) -> tuple[int, int]:
    """All pixels are decoded: a file that is cut off has a size, too."""
    try:
        height, width, _ = decode_image(data).shape
    except ImageError as error:
        raise BrokenFileError(path, str(error)) from None
    return height, width


def _unusable(region: Region, size: tuple[int, int]) -> str:
    if region.labels_HW.shape != size:
        (mask_height, mask_width), (height, width) = region.labels_HW.shape, size
        return f"The mask is {mask_width} x {mask_height} pixels large, its photograph {width} x {height}."
    return "" if region.mask.any() else "The mask is empty."


def _packed(region: Region) -> dict[str, Any]:
    runs = packed_runs(region.mask)
    return {
        "key": region.key,
        "category": region.category,
        "kind": region.kind,
        "parent": region.parent,
        "counts": runs["counts"].decode(),
        "area": int(coco.area(runs)),
        "bbox": coco.toBbox(runs).tolist(),
    }


def packed_runs(mask_HW: Mask) -> Any:
    """Pack a mask, H x W bool, as COCO does: {"size", "counts"}."""
    return coco.encode(np.asfortranarray(mask_HW, np.uint8))
