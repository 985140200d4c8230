"""A folder of photographs and indexed masks, listed in a manifest.

`manifest.json` holds {"samples": [...]}, one entry for each pair of image and mask. Masks are 8-bit images:
0 background, 1 to 254 objects, 255 ignored. A photograph may have several masks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ritm_model.learning.errors import TrainingError
from ritm_model.learning.scene import Instance, Scene

IGNORED_VALUE = 255


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class PackObject(_Value):
    """One object: its value in the mask, and its area as a part of the image's."""

    id: Annotated[int, Field(ge=1, le=254)]
    area: Annotated[float, Field(ge=0, le=1)]


class PackEntry(_Value):
    """One image and mask; paths are relative to the folder of the manifest."""

    image: str
    mask: str
    source: str = ""
    license_class: str = ""
    license: str = ""
    objects: tuple[PackObject, ...]

    def instances(self, min_share: float) -> tuple[Instance, ...]:
        """The objects that cover at least `min_share` of the image."""
        return tuple(Instance(0, item.id) for item in self.objects if item.area >= min_share)


class _Manifest(_Value):
    samples: tuple[PackEntry, ...]


def read_pack(folder: Path) -> tuple[PackEntry, ...]:
    """Read the manifest of a pack.

    Raises:
        TrainingError: it is not there, or not such a manifest.
    """
    path = folder / "manifest.json"
    try:
        return _Manifest.model_validate_json(path.read_bytes()).samples
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise TrainingError(f"{path} is not a manifest of a pack: {where}: {problem['msg']}.") from None


def with_licence(entries: Iterable[PackEntry], classes: Iterable[str] | None) -> tuple[PackEntry, ...]:
    """Keep the entries of these licence classes, all if None."""
    allowed = None if classes is None else frozenset(classes)
    return tuple(entry for entry in entries if allowed is None or entry.license_class in allowed)


@dataclass(frozen=True, slots=True)
class PackPhotograph:
    """A photograph of a pack with all its masks, of which each scene has one.

    Attributes:
        folder: of the pack.
        entries: of the photograph.
        min_share: objects below this part of the photograph are background.
    """

    folder: Path
    entries: tuple[PackEntry, ...] = field(repr=False)
    min_share: float = 0.0

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def image(self) -> Path:
        return self.folder / self.entries[0].image

    @property
    def source(self) -> str:
        return self.entries[0].source

    @property
    def licence(self) -> str:
        return self.entries[0].license

    @property
    def objects(self) -> int:
        return sum(len(entry.instances(self.min_share)) for entry in self.entries)

    def scene(self, random: np.random.Generator) -> Scene:
        entry = self.entries[random.integers(len(self.entries))]
        return load_scene(self.folder, entry, self.min_share)


def pack_photographs(
    folder: Path, licence_classes: Iterable[str] | None, min_share: float
) -> tuple[PackPhotograph, ...]:
    """The photographs of a pack that have a licence of these classes (None: any) and an object."""
    groups: dict[str, list[PackEntry]] = {}
    for entry in with_licence(read_pack(folder), licence_classes):
        if entry.instances(min_share):
            groups.setdefault(entry.image, []).append(entry)
    return tuple(PackPhotograph(folder, tuple(entries), min_share) for entries in groups.values())


def load_scene(folder: Path, entry: PackEntry, min_share: float) -> Scene:
    """Read image and mask of an entry.

    Raises:
        TrainingError: a file is missing or broken, or the two differ in size; it is named.
    """
    image_HW3 = _read(folder / entry.image, cv2.IMREAD_COLOR_RGB)
    layer_HW = _read(folder / entry.mask, cv2.IMREAD_GRAYSCALE)
    if layer_HW.shape != image_HW3.shape[:2]:
        sizes = " and ".join(f"{array.shape[1]} x {array.shape[0]}" for array in (layer_HW, image_HW3))
        raise TrainingError(f"{folder / entry.mask} and its image differ in size: {sizes}.")
    ignored_HW = layer_HW == IGNORED_VALUE
    layer_HW[ignored_HW] = 0
    return Scene(image_HW3, layer_HW[None], entry.instances(min_share), ignored_HW, entry.mask)


def _read(path: Path, flags: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}.") from None
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if pixels is None:
        raise TrainingError(f"{path} is not an image that can be read.")
    return pixels.astype(np.uint8, copy=False)
