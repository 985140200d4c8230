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

from ritm_model.datasets.problems import ConversionError
from ritm_model.datasets.photograph import Mask, Photograph, Region
from ritm_model.datasets.files import read_bytes
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.files import new_path, writing
from ritm_model.images import ImageError, decode_image

Placing = Literal["copy", "link"]
Record = Mapping[str, Any]
"""What is kept of a photograph, as JSON: name, image or None, regions, problems."""


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
            data = read_bytes(photograph.image)
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
        regions: dict[str, Region] = {}
        for found in photograph.regions(height, width):
            if isinstance(found, Problem):
                problems.append(found)
            elif reason := _unusable(found, (height, width)) or "It is there twice." * (found.key in regions):
                problems.append(Problem(str(photograph.image), f"Region {found.key}: {reason}"))
            else:
                regions[found.key] = found
        return [_with_parent_among(region, regions) for region in regions.values()]

    def _place(self, data: bytes, photograph: Photograph) -> None:
        path = self.images / photograph.name
        with writing(path, ConversionError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with new_path(path) as unfinished:
                if self.placing == "link":
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
    if region.mask_HW.shape != size:
        (mask_height, mask_width), (height, width) = region.mask_HW.shape, size
        return f"The mask is {mask_width} x {mask_height} pixels large, its photograph {width} x {height}."
    return "" if region.mask_HW.any() else "The mask is empty."


def _with_parent_among(region: Region, regions: Mapping[str, Region]) -> Region:
    """Parts of what is left out, or of itself, are whole objects."""
    parent, above = region.parent, {region.key}
    while parent is not None and parent not in above and parent in regions:
        if regions[parent].kind != "object":
            break
        above.add(parent)
        parent = regions[parent].parent
    is_sound = parent is None and region.kind == "object"
    return region if is_sound else replace(region, parent=None)


def _packed(region: Region) -> dict[str, Any]:
    runs = packed_runs(region.mask_HW)
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
