"""SBD: one MATLAB file per image with the numbers of its objects.

Shapes: H x W the image.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.datasets.files import read_bytes, read_names
from ritm_model.datasets.mask_files import small_labels
from ritm_model.datasets.named_files import NamedFiles, without_suffix
from ritm_model.datasets.photograph import NOTHING_KNOWN, About, Collection, Region
from ritm_model.datasets.problems import BrokenFileError, DatasetError, Problem
from ritm_model.files import parsing

MAX_BYTES = 4_000_000  # the real ones have some ten thousand
THINNEST = 0.08
"""Training leaves out what fills less of its bounding box than that: such masks are mere outlines."""

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train"),
    "tvmonitor",
)


@dataclass(frozen=True, slots=True)
class SbdPhotograph:
    image: Path
    mat: Path
    thinnest: float
    about: About = NOTHING_KNOWN

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def truth(self) -> str:
        return str(self.mat)

    def regions(self, _height: int, _width: int) -> Iterator[Region | Problem]:
        labels_HW, classes = _read_mat(self.mat)
        numbers = [int(number) for number in np.unique(labels_HW) if number]
        if not numbers:
            yield Problem(self.truth, "The annotation has no object.")
        for number in numbers:
            object_HW = labels_HW == number
            share = _share_of_box(object_HW)
            if share < self.thinnest:
                reason = f"Object {number} fills {share:.0%} of its box; training leaves such outlines out."
                yield Problem(self.truth, reason, by_rule=True)
            else:
                yield Region(labels_HW, str(number), _class_name(classes, number), value=number)


def sbd(root: Path, split: str) -> Collection:
    """The evaluation set: every object of every image in `<split>.txt`."""
    return _listing(root, split, thinnest=0.0)


def sbd_training(root: Path, split: str) -> Collection:
    """The training set: without objects that are mere outlines."""
    return _listing(root, split, thinnest=THINNEST)


def _listing(root: Path, split: str, thinnest: float) -> Collection:
    try:
        import scipy.io  # noqa: F401
    except ImportError:
        raise DatasetError(
            "SBD is stored in MATLAB files, which need SciPy: pip install 'ritm[benchmarks]'."
        ) from None
    images, mats = NamedFiles(root / "img", ".jpg"), NamedFiles(root / "inst", ".mat")
    problems: list[Problem] = []
    photographs: list[SbdPhotograph] = []
    for name in read_names(root / f"{split}.txt"):
        try:
            image, mat = images.path(name), mats.path(without_suffix(name))
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        photographs.append(SbdPhotograph(image, mat, thinnest))
    return Collection(photographs, problems)


def _read_mat(path: Path) -> tuple[npt.NDArray[np.integer], npt.NDArray[Any]]:
    """Numbers of the objects, H x W, and the class of each."""
    from scipy.io import loadmat

    data = read_bytes(path, MAX_BYTES)
    with parsing(lambda _: BrokenFileError(path, "The file is damaged, or is no annotation of SBD.")):
        annotation = loadmat(io.BytesIO(data), variable_names=["GTinst"])["GTinst"][0, 0]
        labels_HW = np.asarray(annotation[0])
        named = annotation.dtype.names or ()
        classes = np.asarray(annotation["Categories"]).ravel() if "Categories" in named else np.empty(0)
        if labels_HW.ndim != 2 or labels_HW.dtype.kind not in "biuf" or not np.isfinite(labels_HW).all():
            raise BrokenFileError(path, "The annotation is no map of object numbers.")
        return small_labels(labels_HW.astype(np.int64)), classes


def _share_of_box(object_HW: npt.NDArray[np.bool_]) -> float:
    _, _, width, height = cv2.boundingRect(object_HW.astype(np.uint8))
    return int(object_HW.sum()) / (width * height)


def _class_name(classes: npt.NDArray[Any], number: int) -> str:
    """The classes are listed in the order of the objects and counted from 1."""
    if not 0 < number <= classes.size:
        return ""
    return dict(enumerate(CLASSES, 1)).get(classes[number - 1].item(), "")
