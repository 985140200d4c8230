"""The command line of conversion, and what it has written."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO


class Written:
    """A folder of the COCO-RLE layout, as COCO's own tools read it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.content: dict[str, Any] = json.loads((folder / "annotations.json").read_text())
        self.manifest: dict[str, Any] = json.loads((folder / "conversion.json").read_text())
        with contextlib.redirect_stdout(io.StringIO()):
            self.coco = COCO(str(folder / "annotations.json"))

    def by_key(self, name: str) -> dict[str, dict[str, Any]]:
        """The annotations of a photograph by what their source calls them."""
        (image,) = [row for row in self.content["images"] if row["file_name"] == name]
        rows = [row for row in self.content["annotations"] if row["image_id"] == image["id"]]
        return {row["key"]: row for row in rows}

    def mask(self, annotation: dict[str, Any]) -> np.ndarray:
        """H x W bool."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of their tools, with this numpy
            return self.coco.annToMask(annotation) > 0

    def category(self, annotation: dict[str, Any]) -> str:
        (row,) = [row for row in self.content["categories"] if row["id"] == annotation["category_id"]]
        return row["name"]

    def left_out(self, *, by_rule: bool = False) -> list[str]:
        return [
            problem["reason"] for problem in self.manifest["left_out"]["by_rule" if by_rule else "broken"]
        ]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def ritm(run_ritm):
    """Run `ritm dataset …`."""
    return partial(run_ritm, "dataset")


@pytest.fixture
def converted(ritm, out):
    """Convert with one process, which must go well, and read the result."""

    def run(converter, *arguments):
        status, _, complaint = ritm(converter, *arguments, out, "--jobs", 1)
        assert (status, complaint) == (0, "")
        return Written(out)

    return run
