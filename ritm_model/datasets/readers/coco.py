"""COCO: any file in its format, and the COCO-RLE layout, which says more.

Shapes: H x W the upright image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from ritm_model.datasets.files import orientation_of
from ritm_model.datasets.photograph import NOTHING_KNOWN, About, Collection, Mask, Photograph, Region
from ritm_model.datasets.problems import BrokenFileError, DatasetError, Problem
from ritm_model.datasets.readers.coco_images import CocoImages, are_others, is_full_path
from ritm_model.datasets.readers.coco_json import Annotation, CocoJson, Id, Record, id_of, read_coco
from ritm_model.errors import shown
from ritm_model.images.orientation import turned_map
from ritm_model.masks.coco import MaskError, broken_parts, coco_mask, image_size_of

BACKGROUND = "background"
"""The label with which CVAT cuts holes, in the order of the file, which is CVAT's z-order."""


@dataclass(frozen=True, slots=True)
class CocoPhotograph:
    """A photograph with its annotations in the JSON file, each with the name of its category.

    Annotations of the COCO-RLE layout may say more: `"ignore": 1` counts for no object, `"stuff": 1` is no
    object, and `parent` names the object of which an object is a part.
    """

    name: str
    image: Path
    source: Path
    record: Record = field(repr=False)
    annotations: tuple[tuple[Annotation, str], ...] = field(repr=False)
    about: About = NOTHING_KNOWN

    @property
    def truth(self) -> str:
        return str(self.source)

    def regions(self, height: int, width: int) -> Iterator[Region | Problem]:
        orientation = check_size(self, self.record, height, width)
        stored = (height, width) if orientation == 1 else (width, height)
        for place, (annotation, category) in enumerate(self.annotations):
            key, parent = annotation.id, annotation.parent
            segmentation = annotation.segmentation(self.source)
            try:
                mask_HW: Mask = turned_map(coco_mask(segmentation, *stored), orientation)
            except MaskError as error:
                yield Problem(self.truth, f"Annotation {key}: {error}")
                continue
            for reason in broken_parts(segmentation, *stored):
                yield Problem(self.truth, f"Annotation {key}: {reason}")
            if annotation.kind == "background":
                continue
            for hole_HW in self._holes(place, *stored):
                mask_HW = mask_HW & ~turned_map(hole_HW, orientation)
            part_of = None if parent is None else shown(parent)
            yield Region(mask_HW, key, category, annotation.kind, part_of)

    def _holes(self, place: int, height: int, width: int) -> Iterator[Mask]:
        """What is cut out of the annotation at a place; what cannot be read cuts nothing."""
        for annotation, _ in self.annotations[place:]:
            if annotation.kind == "background":
                with suppress(MaskError):
                    yield coco_mask(annotation.segmentation(self.source), height, width)

    def with_objects_of(self, min_share: float) -> CocoPhotograph:
        """Without the objects whose `area` is a smaller part of the photograph."""
        pixels = record_pixels(self.record)
        kept = tuple(
            (annotation, category)
            for annotation, category in self.annotations
            if annotation.kind != "object" or annotation.area is None or annotation.area >= min_share * pixels
        )
        return replace(self, annotations=kept)

    def with_more(self, record: Record, more: Sequence[tuple[Annotation, str]]) -> CocoPhotograph:
        """With the annotations of another record of the same photograph, as after files were joined."""
        known = {annotation.id for annotation, _ in self.annotations}
        image = shown(record.get("id"))
        told = [
            (replace(each, id=f"{each.id}-of-{image}", parent=None) if each.id in known else each, category)
            for each, category in more
        ]
        return replace(self, annotations=(*self.annotations, *told))

    @property
    def wholes(self) -> int:
        """How many objects are not part of another."""
        objects = [annotation for annotation, _ in self.annotations if annotation.kind == "object"]
        keys = {annotation.key for annotation in objects} - {None}
        return sum(annotation.parent not in keys for annotation in objects)


def record_pixels(record: Record) -> int:
    """How many pixels an image has, by its record; 0 where that does not say."""
    try:
        height, width = image_size_of(record)
    except MaskError:
        return 0
    return height * width


def _have_one_size(record: Record, other: Record) -> bool:
    return all(record.get(side) == other.get(side) for side in ("height", "width"))


def check_size(photograph: Photograph, record: Record, height: int, width: int) -> int:
    """Compare what a record says of a photograph with the photograph; sides of 0 are not known.

    Returns:
        The EXIF orientation in which the annotations are stored: 1, upright, or one that swaps the sides.

    Raises:
        BrokenFileError: the sizes differ.
    """
    known = {key: record[key] for key in ("height", "width") if record.get(key) not in (None, 0)}
    try:
        said = image_size_of({"height": height, "width": width, **known})
    except MaskError as error:
        raise BrokenFileError(photograph.truth, f"Image {shown(photograph.name)}: {error}") from None
    if said == (height, width):
        return 1
    orientation = orientation_of(photograph.image)
    if said == (width, height) and orientation >= 5:
        return orientation
    sizes = f"{width} x {height} pixels, its annotations are for {said[1]} x {said[0]}"
    raise BrokenFileError(photograph.image, f"The photograph has {sizes}.")


def coco_instances(root: Path, split: str) -> Collection:
    """A file in the format of COCO, or a folder laid out as COCO with a split.

    Images are looked for in the folder of their split, beside the file, and in a folder `images` beside it
    or beside its folder. Crowds, which are not one object, are left out by rule.
    """
    if root.suffix.lower() == ".json":
        source = read_coco(root)
        folders = folders_near(root, root.stem.removeprefix("instances_"))
    else:
        source = read_coco(root / "annotations" / f"instances_{split}.json")
        folders = [root / split, root / "images"]
    return with_objects(source, photographs_of(source, folders))


def folders_near(file: Path, split: str) -> list[Path]:
    """Where the images of an annotation file may lie that was given by its path."""
    beside, above = file.parent, file.parent.parent
    return [beside, beside / "images", beside / split, above / split, above / "images"]


def file_name_of(record: Record) -> object:
    """What an image is called; files of LVIS have no `file_name` but an address."""
    name = record.get("file_name")
    return url_name_of(record) if name is None else name


def url_name_of(record: Record) -> object:
    """The last part of the address of an image, or its `file_name`."""
    url = record.get("coco_url")
    name = PurePosixPath(url).name if isinstance(url, str) else ""
    return name or record.get("file_name")


def photographs_of(
    source: CocoJson,
    folders: Sequence[Path],
    about: About = NOTHING_KNOWN,
    elsewhere: Sequence[Path] = (),
    name_of: Callable[[Record], object] = file_name_of,
    kind: type[CocoPhotograph] = CocoPhotograph,
) -> Collection:
    """All photographs of a file.

    Args:
        source: the file.
        folders: where they should be, under the names of the file.
        about: what is said of every photograph; licences that the file names come first.
        elsewhere: folders of the user, in which they may lie anywhere.
        name_of: from the record of an image to what it is called.
        kind: of photograph that is made of them.

    Raises:
        BrokenFileError: it is no such file.
        DatasetError: no folder holds any of the photographs.
    """
    problems: list[Problem] = []
    images = source.by_id("images", problems)
    annotations = source.annotations_of(images, problems)
    categories = source.categories(problems)
    licenses = _licenses(source, problems)
    files = CocoImages((name_of(record) for record in images.values()), folders, elsewhere)
    if not files.has_any:
        where = ", ".join(map(str, dict.fromkeys((*folders, *elsewhere))))
        raise DatasetError(f"None of the images of {source.path} is in one of the folders {where}.")
    photographs: list[CocoPhotograph] = []
    places: dict[Path, int] = {}
    unclear: dict[Path, list[str]] = {}
    for number, record in images.items():
        try:
            name, path = files.find(name_of(record))
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        named = tuple(_named(each, categories) for each in annotations[number])
        place = places.setdefault(path, len(photographs))
        if place < len(photographs) and are_others(name_of(record), name_of(photographs[place].record)):
            first, other = name_of(photographs[place].record), name_of(record)
            if is_full_path(first, path) and not is_full_path(other, path):
                problems.append(source.problem(f"The image '{shown(other)}' is not there."))
            else:
                unclear.setdefault(path, [shown(first)]).append(shown(other))
            continue
        if place < len(photographs) and _have_one_size(photographs[place].record, record):
            photographs[place] = photographs[place].with_more(record, named)
            continue
        said = replace(
            about,
            number=number if isinstance(number, int) else None,
            license=licenses.get(_license(record), ("", ""))[0] or about.license,
            license_class=_text(record, "license_class") or about.license_class,
            source=about.source or _text(record, "source"),
            split=about.split or _text(record, "split"),
        )
        photographs.append(kind(name, path, source.path, record, named, said))
    for path, names in unclear.items():
        reason = f"Several images of {source.path} may be this file: {', '.join(names[:5])}."
        problems.append(Problem(str(path), reason))
    photographs = [each for each in photographs if each.image not in unclear]
    urls = {name: url for name, url in licenses.values() if name}
    return Collection(photographs, problems, _category_ids(categories), urls)


def with_objects(source: CocoJson, collection: Collection, split: str = "") -> Collection:
    """The photographs that have an object, of a split or all; the others are left out by rule."""
    problems = list(collection.problems)
    taken: list[Photograph] = []
    for photograph in collection.photographs:
        assert isinstance(photograph, CocoPhotograph)
        if split and photograph.about.split != split:
            continue
        if any(annotation.kind == "object" for annotation, _ in photograph.annotations):
            taken.append(photograph)
        else:
            problems.append(source.problem(f"Image {photograph.name} has no object.", by_rule=True))
    return replace(collection, photographs=taken, problems=problems)


def _named(annotation: Annotation, categories: Mapping[Id, str]) -> tuple[Annotation, str]:
    """An annotation with the name of its category."""
    name = category_name(categories, annotation.category)
    if annotation.is_cvat and name.strip().casefold() == BACKGROUND:
        annotation = replace(annotation, kind="background")
    return annotation, name


def category_name(categories: Mapping[Id, str], category: Id | None) -> str:
    return "" if category is None else categories.get(category, "")


def _license(record: Record) -> Id:
    number = id_of(record.get("license"))
    return "" if number is None else number


def _text(record: Record, key: str) -> str:
    value = record.get(key)
    return shown(value) if isinstance(value, str) else ""


def _licenses(source: CocoJson, problems: list[Problem]) -> dict[Id, tuple[str, str]]:
    """Name and address of each licence, where the file has them."""
    if "licenses" not in source.lists:
        return {}
    return {
        number: (_text(record, "name"), _text(record, "url"))
        for number, record in source.by_id("licenses", problems).items()
    }


def _category_ids(categories: Mapping[Id, str]) -> dict[str, int]:
    """Numbers that categories keep; of several with one name, the first counts."""
    ids: dict[str, int] = {}
    for number, name in categories.items():
        if isinstance(number, int):
            ids.setdefault(name, number)
    return ids
