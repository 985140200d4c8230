"""Pictures and masks that several readers are tested with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_files import HEIGHT, WIDTH, png
from laid_out import Made

from ritm_model.datasets import open_dataset
from ritm_model.datasets.photograph import Region, load_image, regions_of
from ritm_model.datasets.problems import DatasetError, Problem
from ritm_model.datasets.readers.coco_rle import coco_rle
from ritm_model.datasets.readers.pack import pack
from ritm_ops.pictures import PictureAccess
from training.exports import Collected, Options, collect


@pytest.fixture
def ring() -> np.ndarray:
    """A mask with a hole and a second part."""
    mask_HW = np.zeros((HEIGHT, WIDTH), bool)
    mask_HW[4:16, 5:20] = True
    mask_HW[8:12, 9:14] = False
    mask_HW[22:26, 30:38] = True
    return mask_HW


@pytest.fixture
def disc() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return (y - 14) ** 2 + (x - 18) ** 2 < 70


@pytest.fixture
def picture() -> bytes:
    return png(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


@pytest.fixture
def taken(tmp_path: Path) -> Callable[..., tuple[Collected, dict[str, list[np.ndarray]], Any]]:
    """Collect a source: what came of it, the masks of its entries by category, and the manifest."""

    def take(
        source: object, options: Options | None = None, **access: Any
    ) -> tuple[Collected, dict[str, list[np.ndarray]], Any]:
        out = tmp_path / f"out{len(list(tmp_path.glob('out*')))}"
        collected = collect(
            str(source), out, images=PictureAccess(**{"allowed_buckets": None, **access}), options=options
        )
        masks: dict[str, list[np.ndarray]] = {}
        for photograph in coco_rle(out, "").photographs:
            height, width, _ = load_image(photograph).shape
            for region in photograph.regions(height, width):
                assert isinstance(region, Region)
                if region.kind == "object":
                    masks.setdefault(region.category, []).append(region.mask)
        return collected, masks, json.loads((out / "conversion.json").read_bytes())

    return take


@pytest.fixture
def found(taken: Any) -> Callable[[Made], list[np.ndarray]]:
    """The masks that a reader finds in what is laid out."""

    def find(made: Made) -> list[np.ndarray]:
        layout, place = made
        if not layout:
            return list(taken(place, local_roots=(place.parent,))[1]["cat"])
        if layout != "pack":
            return [sample.mask == 1 for sample in open_dataset("own", {"own": f"{layout}:{place}"})]
        collection = pack(place)
        found = [
            each
            for photograph in collection.photographs
            for each in regions_of(photograph, *load_image(photograph).shape[:2])
        ]
        for problem in (*collection.problems, *found):
            if isinstance(problem, Problem):
                raise DatasetError(str(problem))
        return [region.mask for region in found if isinstance(region, Region)]

    return find
