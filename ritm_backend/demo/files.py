"""Masks of the page as files that other programs read, where it takes more than the page itself has.

The page sends all objects with their masks, so any process can write the file.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from ritm_backend.demo.masks import RunsError, read_runs
from ritm_backend.label_studio.answers import RegionAnswer, results_of, to_json
from ritm_backend.label_studio.config import Control
from ritm_backend.label_studio.drawing import MaskPart, polygon_value, rings_of, value_of
from ritm_backend.label_studio.drawing import Value as MaskValue
from ritm_backend.label_studio.errors import RequestError
from ritm_backend.label_studio.options import ProjectOptions
from ritm_backend.label_studio.outputs import Output
from ritm_backend.label_studio.regions import Frame
from ritm_model.masks import bitmask
from ritm_model.masks.polygon import polygons
from ritm_model.values import Value, first_problem

_MOST_OBJECTS = 1000
_MOST_LAYERS = 16  # times the pixels of the picture, over all objects
_BYTES_OF_A_PIXEL = 6
_DECIMALS = 2  # of a pixel

Side = Annotated[int, Field(ge=0, le=1_000_000)]


class SavedObject(Value):
    """One object: its mask as `run_lengths` writes it, in base64, inside the rectangle that it fills."""

    name: str = Field(max_length=200)
    left: Side
    top: Side
    width: Side
    height: Side
    runs: str
    score: float = Field(ge=0, le=1)

    def part(self, frame: tuple[int, int]) -> MaskPart:
        """The mask in a picture of height and width."""
        height, width = frame
        if self.left + self.width > width or self.top + self.height > height:
            raise RequestError(f"The mask of {self.name[:40]!r} leaves the {width} x {height} picture.")
        try:
            inside_hw = read_runs(base64.b64decode(self.runs, validate=True), self.height, self.width)
        except (binascii.Error, RunsError) as error:
            raise RequestError(f"The mask of {self.name[:40]!r} cannot be read: {error}") from None
        return MaskPart(inside_hw, (self.top, self.left), frame)


class FileWanted(Value):
    """A picture, the objects on it, and what to write of them."""

    format: Literal["coco-polygons", "label-studio", "label-studio-polygons", "bitmask"]
    image: str = Field(max_length=1000)
    width: Side
    height: Side
    objects: Annotated[tuple[SavedObject, ...], Field(min_length=1, max_length=_MOST_OBJECTS)]

    @property
    def memory(self) -> int:
        """About how many bytes it takes to write it: all masks, and more for the largest one."""
        pixels = [one.width * one.height for one in self.objects]
        return sum(pixels) + _BYTES_OF_A_PIXEL * max(pixels)


@dataclass(frozen=True, slots=True)
class File:
    """The bytes of a file, and their kind."""

    data: bytes
    mimetype: str


def read_file_wanted(data: bytes, max_pixels: int) -> FileWanted:
    """Read the JSON of a request. Raises RequestError."""
    try:
        wanted = FileWanted.model_validate_json(data)
    except ValidationError as error:
        raise RequestError(f"The request cannot be understood: {first_problem(error)}.") from None
    if wanted.width * wanted.height > max_pixels:
        raise RequestError(f"A picture of {wanted.width} x {wanted.height} pixels is too large.")
    if sum(one.width * one.height for one in wanted.objects) > _MOST_LAYERS * wanted.width * wanted.height:
        raise RequestError("So many large objects cannot be saved at once; save COCO JSON instead.")
    return wanted


def write_file(wanted: FileWanted) -> File:
    """Write it. Objects without a pixel are left out. Raises RequestError for a mask that is none."""
    frame = (wanted.height, wanted.width)
    drawn = [(one, one.part(frame)) for one in wanted.objects]
    drawn = [(one, part) for one, part in drawn if part.inside.any()]
    if not drawn:
        raise RequestError("All of the masks are empty.")
    match wanted.format:
        case "coco-polygons":
            return File(json.dumps(_coco(wanted, drawn)).encode(), "application/json")
        case "label-studio":
            return File(to_json([_task(wanted, drawn, "brush")]), "application/json")
        case "label-studio-polygons":
            return File(to_json([_task(wanted, drawn, "polygon")]), "application/json")
        case "bitmask":
            return _bitmasks(drawn)


Drawn = Sequence[tuple[SavedObject, MaskPart]]


def _coco(wanted: FileWanted, drawn: Drawn) -> dict[str, object]:
    names = list(dict.fromkeys(one.name for one, _ in drawn))
    annotations = []
    for number, (one, part) in enumerate(drawn, 1):
        rings = polygons(part.inside, corner=part.corner, frame=part.frame)
        annotations.append(
            {
                "id": number,
                "image_id": 1,
                "category_id": names.index(one.name) + 1,
                "iscrowd": 0,
                "area": int(part.inside.sum()),
                "bbox": [one.left, one.top, one.width, one.height],
                "segmentation": [ring_N2.round(_DECIMALS).ravel().tolist() for ring_N2 in rings],
                "score": one.score,
            }
        )
    image = {"id": 1, "file_name": wanted.image, "width": wanted.width, "height": wanted.height}
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    return {"images": [image], "categories": categories, "annotations": annotations}


def _task(wanted: FileWanted, drawn: Drawn, kind: Literal["brush", "polygon"]) -> dict[str, object]:
    """A task to import, for the names of the recommended labeling configuration of a kind."""
    control = Control(f"{kind}labels", kind, ("image",), None, is_smart=False)
    frame = Frame("image", None, wanted.width, wanted.height, 0)
    results: list[dict[str, object]] = []
    for number, (one, part) in enumerate(drawn, 1):
        for id, value in _regions(f"object-{number}", part, kind):
            results += results_of(
                RegionAnswer(
                    id=id,
                    frame=frame,
                    size=(wanted.width, wanted.height),
                    value=value,
                    output=Output(kind, control, control),
                    label=one.name,
                    score=one.score,
                )
            )
    return {"data": {"image": wanted.image}, "annotations": [{"result": results}]}


def _regions(id: str, part: MaskPart, kind: Literal["brush", "polygon"]) -> Iterator[tuple[str, MaskValue]]:
    """An object's regions: several polygons, if it has several parts, with ids that begin alike."""
    if kind == "brush":
        yield id, value_of(kind, part)
        return
    for number, ring_N2 in enumerate(rings_of(part, ProjectOptions())):
        yield f"{id}-{number}" if number else id, polygon_value(ring_N2, part.frame)


def _bitmasks(drawn: Drawn) -> File:
    """A PNG for each object, opaque black on it and transparent elsewhere; several come as ZIP."""
    pictures = [
        base64.b64decode(bitmask.encode_part(part.inside, part.corner, part.frame).partition(",")[2])
        for _, part in drawn
    ]
    if len(pictures) == 1:
        return File(pictures[0], "image/png")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, ((one, _), picture) in enumerate(zip(drawn, pictures, strict=True), 1):
            archive.writestr(f"{number:02}-{_plain(one.name)}.png", picture)
    return File(packed.getvalue(), "application/zip")


def _plain(name: str) -> str:
    """A name as part of a file's name, as the page makes it."""
    return re.sub(r"[^\w-]+", "_", name)[:60] or "object"
