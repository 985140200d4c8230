"""YOLO's text files for segmentation: one for each photograph, one line an object.

    images/train/a.jpg          labels/train/a.txt        0 0.25 0.2 0.75 0.2 0.75 0.6
    train/images/a.jpg          train/labels/a.txt        (Roboflow)
    a.jpg                       a.txt                     (beside each other)

A line is the number of a class and the corners of a polygon, x and y as parts of the sides of the photograph
as it is shown. Five numbers are a box, which is no mask. data.yaml names the classes, or classes.txt does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ritm_model.datasets.drawn import Drawn, Labelled, PolygonPaint
from ritm_model.datasets.files import read_bytes, read_names, read_text
from ritm_model.datasets.photograph import About, Collection, Mask, Photograph
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.readers.outlines.common import Numbers, Photographs, files_below, numbers, ring
from ritm_model.errors import shown
from ritm_model.masks.coco import MaskError
from ritm_model.yaml_text import read_yaml

ABOUT = About(source="yolo")
LABELS, IMAGES = "labels", "images"
_YAML = ("data.yaml", "data.yml", "dataset.yaml")
_LISTS = ("classes.txt", "obj.names", "labels.txt")
_OF_BOXES = 5  # numbers


@dataclass(frozen=True, slots=True)
class SharePaint:
    """A polygon whose x and y are parts of the photograph's sides."""

    points: Numbers = field(repr=False)

    def __call__(self, height: int, width: int) -> Mask:
        sides = width, height
        corners = tuple(part * sides[place % 2] for place, part in enumerate(self.points))
        return PolygonPaint(corners)(height, width)


@dataclass(frozen=True, slots=True)
class Lines:
    """The objects of a file."""

    path: Path
    names: tuple[tuple[int, str], ...] = field(repr=False)

    def __call__(self) -> Iterator[Drawn]:
        yield from _drawn(self.path, dict(self.names), [])


def yolo(root: Path, split: str, elsewhere: Sequence[Path] = ()) -> Collection:
    """The photographs of all label files below a folder; arguments as of `labelme`.

    Raises:
        DatasetError: there is no such file.
        BrokenFileError: the file with the names of classes is broken.
    """
    folder, paths = files_below(root, split, ".txt")
    names = tuple(_names(folder))
    images = Photographs(folder, elsewhere)
    photographs: list[Photograph] = []
    problems: list[Problem] = []
    for path in paths:
        inner = path.relative_to(folder)
        in_labels = LABELS in inner.parts[:-1]
        if not in_labels and not _has_rows(path):
            continue  # a list of classes or photographs
        try:
            drawn = list(_drawn(path, dict(names), problems))
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        name = inner.with_suffix("").as_posix()
        if not drawn:
            problems.append(Problem(str(path), "It has no polygon.", by_rule=True))
        elif found := images.find(folder / "x", (_beside(name), name, inner.stem)):
            photographs.append(Labelled(*found, str(path), Lines(path, names), ABOUT))
        else:
            problems.append(images.missing(path, inner.stem))
    return Collection(photographs, problems)


def _beside(name: str) -> str:
    """The place of a photograph by that of its labels: the last folder `labels` is `images` for them."""
    before, found, after = f"/{name}".rpartition(f"/{LABELS}/")
    return f"{before}/{IMAGES}/{after}".lstrip("/") if found else name


def _has_rows(path: Path) -> bool:
    try:
        lines = read_names(path)
        return bool(lines) and bool(_row(lines[0]))
    except (BrokenFileError, MaskError):
        return False


def _row(line: str) -> Numbers:
    """Raises MaskError."""
    row = numbers(line.split())
    if not row[0].is_integer() or len(row) < _OF_BOXES:
        raise MaskError(f"'{shown(line)}' is no class with the corners of a polygon.")
    return row


def _drawn(path: Path, names: dict[int, str], problems: list[Problem]) -> Iterator[Drawn]:
    boxes = 0
    for place, line in enumerate(read_names(path), 1):
        try:
            kind, *sides = _row(line)
            if len(sides) + 1 == _OF_BOXES:
                boxes += 1
                continue
            if len(sides) % 2:
                raise MaskError("Its corners have not as many x as y.")
            if not all(-1 <= side <= 2 for side in sides):
                raise MaskError("Its corners are no parts of the photograph's sides, from 0 to 1.")
            corners = ring(list(zip(sides[::2], sides[1::2], strict=True)))
        except MaskError as error:
            problems.append(Problem(str(path), f"Line {place}: {error}"))
        else:
            yield Drawn(str(place), names.get(int(kind), str(int(kind))), (SharePaint(corners),))
    if boxes:
        problems.append(Problem(str(path), f"Lines that are no masks: {boxes} of boxes.", by_rule=True))


def _names(folder: Path) -> Iterator[tuple[int, str]]:
    """Numbers and names of classes; nothing where no file has them."""
    for path in (folder / name for name in _YAML):
        if path.is_file():
            try:
                content = read_yaml(read_bytes(path))
            except ValueError as error:
                raise BrokenFileError(path, f"The file is not YAML: {error}.") from None
            if isinstance(content, dict) and content.get("kpt_shape"):
                raise BrokenFileError(
                    path, "Its labels are boxes with keypoints (kpt_shape), which are no masks."
                )
            told = content.get("names") if isinstance(content, dict) else None
            rows = dict(enumerate(told)) if isinstance(told, list) else told
            for number, name in rows.items() if isinstance(rows, dict) else ():
                if str(number).isdecimal():
                    yield int(number), shown(name)
            return
    for path in (folder / name for name in _LISTS):
        if path.is_file():
            lines = enumerate(read_text(path).splitlines())  # an empty one counts, too
            yield from ((number, shown(line.strip())) for number, line in lines if line.strip())
            return
