"""ADE20K of 2016: objects, their parts, and stuff, as the data set itself comes.

An image has a mask of objects (`_seg.png`), masks of parts, of parts of parts … (`_parts_1.png` …), and a
text (`_atr.txt`) that names what the masks number. Shapes: H x W the photograph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from ritm_model.datasets.files import read_bytes
from ritm_model.datasets.mask_files import read_numbers
from ritm_model.datasets.named_files import NamedFiles
from ritm_model.datasets.photograph import About, Collection, Photograph, Region
from ritm_model.datasets.problems import BrokenFileError, ConversionError, Problem
from ritm_model.files import parsing

INDEX = "index_ade20k.mat"
SOURCE = "ade20k"

STUFF = frozenset(
    (
        *("air", "asphalt", "beach", "brick", "brickwork", "ceiling", "cliff", "cloud", "clouds"),
        *("concrete", "countryside", "desert", "dirt", "dune", "earth", "embankment", "field", "floor"),
        *("flooring", "fog", "foliage", "footpath", "forest", "gravel", "grass", "grassland", "ground"),
        *("hedge", "highway", "hill", "hillside", "ice", "lake", "land", "lawn", "meadow", "mount"),
        *("mountain", "mud", "ocean", "path", "pavement", "plain", "pool", "puddle", "river", "road"),
        *("roadway", "rock", "route", "sand", "sea", "shore", "sidewalk", "sky", "slope", "smoke", "snow"),
        *("soil", "stream", "swamp", "terrain", "valley", "vegetation", "wall", "water", "waterfall"),
        *("weeds"),
    )
)
"""Names of what is no object but fills the space between objects."""

Names = Mapping[tuple[int, int], tuple[str, ...]]
"""The names of a class by level (0 the objects, 1 their parts …) and number in the mask."""


@dataclass(frozen=True, slots=True)
class PublishedAde20k:
    """A photograph with a mask for each level."""

    name: str
    image: Path
    about: About
    stuff: frozenset[str] = field(repr=False)

    @property
    def truth(self) -> str:
        return str(self.image.with_name(f"{self.image.stem}_atr.txt"))

    def regions(self, height: int, width: int) -> Iterator[Region | Problem]:
        """Level by level. A part belongs to the object of the level before that has most of its pixels."""
        names = read_names(self.image.with_name(f"{self.image.stem}_atr.txt"))
        above_HW = np.zeros((height, width), np.int64)  # numbers of the objects of the level before
        for level, path in enumerate(self._masks()):
            try:
                numbers_HW = _numbers(path, (height, width))
            except BrokenFileError as error:
                yield error.problem
                return  # parts without their wholes would be objects
            objects_HW = numbers_HW.copy()
            for number in range(1, int(numbers_HW.max()) + 1):
                mask_HW = numbers_HW == number
                called = names.get((level, number), ())
                category = called[0] if called else ""
                if self.stuff.intersection(called):
                    objects_HW[mask_HW] = 0
                    yield Region(mask_HW, _key(level, number), category, "stuff")
                else:
                    whole = int(np.bincount(above_HW[mask_HW]).argmax())
                    parent = _key(level - 1, whole) if whole else None
                    yield Region(mask_HW, _key(level, number), category, parent=parent)
            above_HW = objects_HW

    def _masks(self) -> Iterator[Path]:
        yield self.image.with_name(f"{self.image.stem}_seg.png")
        level = 1
        while (path := self.image.with_name(f"{self.image.stem}_parts_{level}.png")).is_file():
            yield path
            level += 1


def ade20k(root: Path, splits: Sequence[str], stuff: frozenset[str] = STUFF) -> Collection:
    """Find the photographs that the index lists.

    Args:
        root: folder of index_ade20k.mat.
        splits: such as "train" and "val".
        stuff: names of classes that are no objects.

    Raises:
        DatasetError: the index is missing or damaged.
        ConversionError: SciPy is missing, or the index lacks a split.
    """
    photographs: list[Photograph] = []
    images = NamedFiles(root, ".jpg")
    listed = _read_index(root / INDEX)
    for split in splits:
        names = [(folder, name) for folder, name in listed if name.startswith(f"ADE_{split}_")]
        if not names:
            raise ConversionError(f"{root / INDEX} lists no image of the split '{split}'.")
        photographs += [
            PublishedAde20k(name, images.path(f"{_below(root, folder)}/{name}"), About(split, SOURCE), stuff)
            for folder, name in names
        ]
    return Collection(photographs)


def read_stuff(path: Path) -> frozenset[str]:
    """Read names of classes, one a line.

    Raises:
        BrokenFileError: missing or not text.
    """
    try:
        lines = read_bytes(path).decode().splitlines()
    except UnicodeDecodeError:
        raise BrokenFileError(path, "The file is not text.") from None
    return frozenset(line.strip() for line in lines if line.strip())


def read_names(path: Path) -> Names:
    """Read a text of the data set: number # level # hidden # names, by commas # original name # attributes.

    Raises:
        BrokenFileError: missing, or not such a text.
    """
    names: dict[tuple[int, int], tuple[str, ...]] = {}
    for count, line in enumerate(read_bytes(path).decode("latin1").splitlines(), 1):
        if not line.strip():
            continue
        columns = [column.strip() for column in line.split("#")]
        try:
            number, level, called = int(columns[0]), int(columns[1]), columns[3]
        except (IndexError, ValueError):
            raise BrokenFileError(path, f"Line {count} does not name an object.") from None
        names[level, number] = tuple(name.strip() for name in called.split(",") if name.strip())
    return names


def _numbers(path: Path, size: tuple[int, int]) -> npt.NDArray[np.int64]:
    """The k-th of the values of the blue channel, counted from 1 without 0, is number k."""
    blue_HW = read_numbers(path)[..., 0]
    if blue_HW.shape != size:
        (mask_height, mask_width), (height, width) = blue_HW.shape, size
        raise BrokenFileError(
            path, f"The mask is {mask_width} x {mask_height} pixels large, its photograph {width} x {height}."
        )
    values = np.union1d(blue_HW, [0])
    return np.searchsorted(values, blue_HW).astype(np.int64)


def _key(level: int, number: int) -> str:
    return f"parts_{level}:{number}" if level else f"seg:{number}"


def _below(root: Path, folder: str) -> str:
    """The index counts folders from above its own; yours may have another name."""
    parts = PurePosixPath(folder.replace("\\", "/")).parts
    if (root / folder).is_dir() or len(parts) < 2:
        return folder
    return "/".join(parts[1:])


def _read_index(path: Path) -> list[tuple[str, str]]:
    """Folder and name of each image."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise ConversionError(
            "ADE20K is listed in a MATLAB file, which needs SciPy: pip install 'ritm[benchmarks]'."
        ) from None
    read_bytes(path)  # a missing file is named
    with parsing(lambda _: BrokenFileError(path, "The file is damaged, or is no index of ADE20K.")):
        index: Any = loadmat(path, simplify_cells=True, variable_names=["index"])["index"]
        folders, names = (np.atleast_1d(index[key]).tolist() for key in ("folder", "filename"))
    if len(folders) != len(names) or not all(isinstance(text, str) for text in (*folders, *names)):
        raise BrokenFileError(path, "The index does not list folders and names of images.")
    return list(zip(folders, names, strict=True))
