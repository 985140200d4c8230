"""The COCO-RLE layout: one folder that `ritm train`, `ritm evaluate` and COCO's own tools all read.

    annotations.json   a file in the format of COCO
    images/            the photographs, under the `file_name` of their records; copies or links
    conversion.json    what was taken, what was left out and why (written by `ritm dataset`, not read here)

Records of annotations.json; what is in brackets may be absent, and is not COCO's but ours:

    licenses      id, name, url
    categories    id, name
    images        id, file_name, height, width, license (an id, or absent), [split], [source], [license_class]
    annotations   id, image_id, category_id, area, bbox, iscrowd,
                  segmentation {"size": [height, width], "counts": packed runs as text},
                  [ignore]  1: nobody knows what these pixels are; `iscrowd` is 1, too, so that others skip it
                  [stuff]   1: sky, road and the like where no object is; no object itself
                  [parent, children, level]  ids of annotations of the same image, for an object that is part
                            of another or has parts; whole objects are of level 0, their parts of level 1 …

Photographs are upright. Objects may overlap; those that have no `parent` are whole objects.
Shapes: H x W the image, L layers of masks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ritm_model.images import ImageError, decode_image
from ritm_model.learning.errors import TrainingError
from ritm_model.learning.scene import Image, Instance, Layers, Mask, Scene
from ritm_model.masks.coco import MaskError, decode_runs

ANNOTATIONS = "annotations.json"
IMAGES = "images"
MOST_IN_A_LAYER = 254  # 255 is left free, as in masks of packs


@dataclass(frozen=True, slots=True)
class CocoObject:
    """An object of a photograph, or something that is stuff or ignored.

    Attributes:
        id: of its annotation.
        category: name of its class.
        share: its area as a part of the photograph's.
        parent: which of the entry's objects it is part of, by place; None for whole objects.
        level: 0 for whole objects, 1 for their parts, and so on.
        counts: its packed runs.
    """

    id: int
    category: str
    share: float
    parent: int | None
    level: int
    counts: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CocoEntry:
    """A photograph and what is annotated on it.

    Attributes:
        image: path of the photograph, relative to the folder.
        size: its height and width.
        objects: whole objects and parts, in the order of the file.
        stuff: what is there where no object is.
        ignored: where nobody knows.
        split: such as "train" or "val", or nothing.
        source: which collection it comes from, or nothing.
        license: name of its licence, or nothing.
        license_class: kind of that licence, or nothing.
    """

    image: str
    size: tuple[int, int]
    objects: tuple[CocoObject, ...] = field(repr=False)
    stuff: tuple[CocoObject, ...] = field(repr=False)
    ignored: tuple[CocoObject, ...] = field(repr=False)
    split: str = ""
    source: str = ""
    license: str = ""
    license_class: str = ""

    def chosen(self, min_share: float, *, parts: bool = False) -> tuple[int, ...]:
        """Places of the objects that cover at least `min_share` of the photograph; without parts, or with."""
        return tuple(
            place
            for place, item in enumerate(self.objects)
            if item.share >= min_share and (parts or item.parent is None)
        )


def is_coco_layout(folder: Path) -> bool:
    """Whether a folder looks like this layout."""
    return (folder / ANNOTATIONS).is_file()


def read_coco_layout(folder: Path) -> tuple[CocoEntry, ...]:
    """Read all entries, in the order of the file; masks stay packed and images closed.

    Raises:
        TrainingError: no such file, or it does not say what this layout says.
    """
    path = folder / ANNOTATIONS
    try:
        content = _File.model_validate_json(path.read_bytes())
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise TrainingError(f"{path} is not of the COCO-RLE layout: {where}: {problem['msg']}.") from None
    licences = {item.id: item.name for item in content.licenses}
    categories = {item.id: item.name for item in content.categories}
    of_image: dict[int, list[_Annotation]] = {item.id: [] for item in content.images}
    if len(of_image) < len(content.images):
        raise TrainingError(f"{path}: two images have the same id.")
    for annotation in content.annotations:
        if annotation.image_id not in of_image:
            raise TrainingError(f"{path}: annotation {annotation.id} belongs to no image of the file.")
        of_image[annotation.image_id].append(annotation)
    try:
        return tuple(_entry(image, of_image[image.id], categories, licences) for image in content.images)
    except ValueError as error:
        raise TrainingError(f"{path}: {error}") from None


def load_coco_scene(
    folder: Path, entry: CocoEntry, places: Sequence[int] | None = None, *, stuff: bool = False
) -> Scene:
    """Read the photograph of an entry and unpack masks.

    Args:
        folder: of the layout.
        entry: which photograph.
        places: which of `entry.objects`, None for all; see `CocoEntry.chosen`.
        stuff: take all stuff as objects, too.

    Returns:
        A scene whose instances are the objects of `places`, in that order, and then the stuff.

    Raises:
        TrainingError: the photograph is missing, broken or of another size, or a mask is damaged.
    """
    image_HW3 = _photograph(folder / entry.image, entry.size)
    chosen = entry.objects if places is None else [entry.objects[place] for place in places]
    masks = [_mask(folder, item, entry.size) for item in (*chosen, *(entry.stuff if stuff else ()))]
    ignored_HW = np.zeros(entry.size, np.bool_)
    for item in entry.ignored:
        ignored_HW |= _mask(folder, item, entry.size)
    layers_LHW, instances = pack_layers(masks, entry.size, MOST_IN_A_LAYER)
    return Scene(image_HW3, layers_LHW, instances, ignored_HW, entry.image)


def pack_layers(
    masks: Sequence[Mask], size: tuple[int, int], most_in_a_layer: int = 255
) -> tuple[Layers, tuple[Instance, ...]]:
    """Put masks that may overlap into few layers, as the paper's code does.

    The largest mask comes first; each goes into the first layer in which all its pixels are free.

    Args:
        masks: H x W bool each.
        size: H and W, for the case that there are none.
        most_in_a_layer: numbers that a layer has.

    Returns:
        L x H x W uint8 (at least one layer) and the place of each mask, in the order of `masks`.
    """
    layers: list[npt.NDArray[np.uint8]] = []
    taken: list[Mask] = []  # pixels of each layer
    used: list[int] = []
    places: dict[int, Instance] = {}
    for number in _by_falling_area(masks):
        mask_HW = np.ascontiguousarray(masks[number])  # of unpacked runs, columns lie together
        for layer, taken_HW in enumerate(taken):
            if used[layer] < most_in_a_layer and not (taken_HW & mask_HW).any():
                break
        else:
            layer = len(layers)
            layers.append(np.zeros(size, np.uint8))
            taken.append(np.zeros(size, np.bool_))
            used.append(0)
        used[layer] += 1
        taken[layer] |= mask_HW
        np.copyto(layers[layer], used[layer], where=mask_HW)
        places[number] = Instance(layer, used[layer])
    layers_LHW = np.stack(layers) if layers else np.zeros((1, *size), np.uint8)
    return layers_LHW, tuple(places[number] for number in range(len(masks)))


def _by_falling_area(masks: Iterable[Mask]) -> list[int]:
    areas = [np.count_nonzero(mask_HW) for mask_HW in masks]
    return sorted(range(len(areas)), key=lambda number: -areas[number])


def _photograph(path: Path, size: tuple[int, int]) -> Image:
    try:
        image_HW3 = decode_image(path.read_bytes())
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}.") from None
    except ImageError as error:
        raise TrainingError(f"{path}: {error}") from None
    if image_HW3.shape[:2] != size:
        found, wanted = (f"{width} x {height}" for height, width in (image_HW3.shape[:2], size))
        raise TrainingError(f"{path} has {found} pixels, its annotations are for {wanted}.")
    return image_HW3.copy()  # what Pillow gives cannot be written to


def _mask(folder: Path, item: CocoObject, size: tuple[int, int]) -> Mask:
    try:
        return decode_runs(item.counts, *size)
    except MaskError as error:
        raise TrainingError(f"{folder / ANNOTATIONS}: annotation {item.id}: {error}") from None


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Named(_Value):
    id: int
    name: str


class _Image(_Value):
    id: int
    file_name: Annotated[str, Field(min_length=1)]
    height: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=1)]
    license: int | None = None
    license_class: str = ""
    source: str = ""
    split: str = ""


class _Runs(_Value):
    size: tuple[int, int]
    counts: str


class _Annotation(_Value):
    id: int
    image_id: int
    category_id: int
    segmentation: _Runs
    area: Annotated[float, Field(ge=0)]
    iscrowd: Literal[0, 1] = 0
    ignore: Literal[0, 1] = 0
    stuff: Literal[0, 1] = 0
    parent: int | None = None
    level: Annotated[int, Field(ge=0)] = 0

    @property
    def is_ignored(self) -> bool:
        return bool(self.iscrowd or self.ignore)


class _File(_Value):
    licenses: tuple[_Named, ...] = ()
    categories: tuple[_Named, ...]
    images: tuple[_Image, ...]
    annotations: tuple[_Annotation, ...]


def _entry(
    image: _Image, annotations: list[_Annotation], categories: dict[int, str], licences: dict[int, str]
) -> CocoEntry:
    """Raises ValueError with a sentence."""
    name = PurePosixPath(image.file_name)
    if name.is_absolute() or ".." in name.parts:
        raise ValueError(f"image {image.id} is not in the folder {IMAGES}.")
    for item in annotations:
        if item.segmentation.size != (image.height, image.width):
            raise ValueError(f"annotation {item.id} is for another size than its image's.")
    ignored = [item for item in annotations if item.is_ignored]
    stuff = [item for item in annotations if item.stuff and not item.is_ignored]
    objects = [item for item in annotations if not (item.stuff or item.is_ignored)]
    places = {item.id: place for place, item in enumerate(objects)}

    def made(item: _Annotation, parent: int | None = None, level: int = 0) -> CocoObject:
        share = item.area / (image.height * image.width)
        category = categories.get(item.category_id, "")
        return CocoObject(item.id, category, share, parent, level, item.segmentation.counts)

    def made_with_parent(item: _Annotation) -> CocoObject:
        if item.parent is None:
            return made(item)
        parent = places.get(item.parent)
        # A part is one level below its whole, so nothing can be part of itself.
        if parent is None or objects[parent].level != item.level - 1:
            raise ValueError(f"annotation {item.id} has a parent that it cannot have.")
        return made(item, parent, item.level)

    return CocoEntry(
        f"{IMAGES}/{image.file_name}",
        (image.height, image.width),
        tuple(map(made_with_parent, objects)),
        tuple(map(made, stuff)),
        tuple(map(made, ignored)),
        image.split,
        image.source,
        "" if image.license is None else licences.get(image.license, ""),
        image.license_class,
    )
