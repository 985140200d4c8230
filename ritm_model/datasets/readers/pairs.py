"""Which mask belongs to which photograph, by their names.

    images/a.jpg          masks/a.png          masks/a_1.png          masks/a_mask.png
    images/train/a.jpg    masks/train/a.png
    a.jpg                 a_mask.png           (beside each other)
    train/images/a.jpg    train/masks/a.png

Neither the case of extensions nor the way accents are written matters.
"""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from ritm_model.datasets.files import read_names
from ritm_model.datasets.mask_names import BY_CUSTOM, OF_LAYOUTS, STEM, Owners, with_folders
from ritm_model.datasets.problems import DatasetError, Problem
from ritm_model.errors import shown
from ritm_model.images.finding import ImageFinder
from ritm_model.images.names import IMAGE_SUFFIXES

_LOSSY = frozenset({".jpg", ".jpeg", ".webp"})
_NOTES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class Pair:
    """A photograph with its masks.

    Attributes:
        name: of the photograph, with "/" between folders below that of all photographs.
        image: its file.
        masks: files, at least one.
        keys: a name of each mask among those of the photograph.
    """

    name: str
    image: Path
    masks: tuple[Path, ...]
    keys: tuple[str, ...]


def paired(
    root: Path, images: str, masks: str, owners: Owners, split: str = ""
) -> tuple[list[Pair], list[Problem]]:
    """Photographs with their masks, in the order of their names or of a list.

    Args:
        root: of the data set.
        images: folder in it; without it, photographs lie in the root itself.
        masks: folder in it; without it, masks lie beside the photographs.
        owners: finds the photograph of a mask.
        split: name of a text file in `root` that lists the photographs to take, or of a folder below those of
            photographs; nothing for all.

    Raises:
        DatasetError: there are no photographs, or there is no such list.
    """
    folder = _folder_called(images, root) or root
    mask_folder = _folder_called(masks, root) or folder
    image_paths, problems = _image_files(folder, apart_from=mask_folder)
    beside = mask_folder == folder
    if beside:
        owners_beside = with_folders(owners, images, masks)
        found = _masks_among(image_paths, folder, owners_beside, anywhere=owners not in OF_LAYOUTS)
        of_mask = {mask: [image] for mask, image in found.items()}
        image_paths = [path for path in image_paths if path not in of_mask]
    else:
        mask_paths, more = _image_files(mask_folder, apart_from=folder)
        problems += more
        index = _Index(image_paths, folder)
        of_mask = {mask: index.owners_of(mask, mask_folder, owners) for mask in mask_paths}
    if folder == root:  # other files may lie there, such as lists
        problems = [
            problem for problem in problems if Path(problem.file).is_relative_to(mask_folder) and not beside
        ]
    if folder == root and not image_paths:
        raise DatasetError(
            f"There are no photographs in {folder}: put them into {root / images}, and their masks into "
            f"{root / masks} or, as a_mask.png for a.jpg, beside them."
        )
    of_image: dict[Path, list[Path]] = {path: [] for path in image_paths}
    for mask, photographs in of_mask.items():
        if not photographs:
            cure = f"; masks of other names: --mask-pattern '{STEM}_mask'" if owners in BY_CUSTOM else ""
            reason = f"There is no image for this mask in the folder {_said(folder, root)}{cure}."
            problems.append(Problem(str(mask), reason))
        for path in photographs:
            of_image[path].append(mask)
    if split:
        image_paths = _chosen(root / f"{split}.txt", folder, image_paths, problems)
    cure = f"; masks lie in {root / masks}, or beside it, as a_mask.png for a.jpg" if beside else ""
    problems += [
        Problem(str(path), f"There is no mask for this image in the folder {_said(mask_folder, root)}{cure}.")
        for path in image_paths
        if not of_image[path]
    ]
    pairs = [
        Pair(
            path.relative_to(folder).as_posix(),
            path,
            tuple(of_image[path]),
            _keys(of_image[path], mask_folder),
        )
        for path in image_paths
        if of_image[path]
    ]
    return pairs, problems


class _Index:
    """Photographs by stem and folder; also by the part of their names before the first dot."""

    def __init__(self, paths: Sequence[Path], folder: Path) -> None:
        stems = {_plain(path.stem) for path in paths}
        starts = [path for path in paths if _plain(path.name.split(".")[0]) not in stems]
        self._of: list[dict[str, dict[PurePath, list[Path]]]] = []
        for form in _FORMS:
            by_stem: dict[str, dict[PurePath, list[Path]]] = defaultdict(lambda: defaultdict(list))
            for path in paths:
                by_stem[form(path.stem)][path.parent.relative_to(folder)].append(path)
            for path in starts:
                by_stem[form(path.name.split(".")[0])][path.parent.relative_to(folder)].append(path)
            self._of.append(by_stem)

    def owners_of(self, mask: Path, folder: Path, owners: Owners) -> list[Path]:
        """Those in the folder of the same name; else those of one other folder, if it is the only one."""
        for owner in owners(mask.parent.relative_to(folder) / mask.stem):
            for form, by_stem in zip(_FORMS, self._of, strict=True):
                found = by_stem.get(form(owner.name), {})
                if owner.parent in found:
                    return found[owner.parent]
                if len(found) == 1:
                    return next(iter(found.values()))
        return []


def _plain(stem: str) -> str:
    return unicodedata.normalize("NFC", stem)


def _folded(stem: str) -> str:
    return _plain(stem).casefold()


_FORMS = (_plain, _folded)


def _image_files(folder: Path, apart_from: Path) -> tuple[list[Path], list[Problem]]:
    """All image files below a folder, but not below another one in it, by name; and what else is there."""
    found: list[Path] = []
    others: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = [
            name for name in folders if not name.startswith(".") and Path(place, name) != apart_from
        ]
        for path in (Path(place, name) for name in names if not _is_note(name)):
            if path.is_file():
                (found if path.suffix.lower() in IMAGE_SUFFIXES else others).append(path)
    reason = "The file is no image of a known kind, by its name."
    return sorted(found), [Problem(str(path), reason) for path in sorted(others)]


def _is_note(name: str) -> bool:
    """Whether a file is a note of a system beside those of people."""
    return name.startswith(".") or name.casefold() in _NOTES


def _unreadable(error: OSError) -> None:
    cure = " Unpack it first." if Path(error.filename).suffix.lower() == ".zip" else ""
    raise DatasetError(f"The folder {error.filename} cannot be read: {error.strerror}.{cure}")


def _folder_called(name: str, root: Path) -> Path | None:
    """A folder of this name, in small letters or capitals."""
    if (root / name).is_dir():
        return root / name
    found = [path for path in sorted(root.glob("*")) if path.name.casefold() == name and path.is_dir()]
    return found[0] if len(found) == 1 else None


def _masks_among(paths: Sequence[Path], folder: Path, owners: Owners, *, anywhere: bool) -> dict[Path, Path]:
    """Of files below one folder, the masks with their photographs.

    A mask is lossless, and named after another file; of two files of one stem, after the lossy one. With
    `anywhere`, for a pattern of the user, that may lie in another folder, if one file alone has the name.
    """
    by_stem: dict[tuple[PurePath, str], list[Path]] = defaultdict(list)
    everywhere: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        by_stem[path.parent, _plain(path.stem)].append(path)
        everywhere[_plain(path.stem)].append(path)
    masks: dict[Path, Path] = {}
    for path in paths:
        if path.suffix.lower() in _LOSSY:
            continue
        for owner in owners(path.parent.relative_to(folder) / path.stem):
            stem = _plain(owner.name)
            same = folder / owner.parent == path.parent and stem == _plain(path.stem)
            found = by_stem.get((folder / owner.parent, stem), [])
            if not found and anywhere and len(everywhere[stem]) == 1:
                found = [each for each in everywhere[stem] if each != path]
            photographs = [each for each in found if not same or each.suffix.lower() in _LOSSY]
            if photographs:
                masks[path] = photographs[0]
                break
    return {mask: image for mask, image in masks.items() if image not in masks}


def _keys(masks: Sequence[Path], folder: Path) -> tuple[str, ...]:
    """The stems of masks; with their folders, where two have the same."""
    stems = [mask.stem for mask in masks]
    if len(set(stems)) == len(stems):
        return tuple(stems)
    return tuple(mask.relative_to(folder).with_suffix("").as_posix() for mask in masks)


def _chosen(path: Path, folder: Path, image_paths: Sequence[Path], problems: list[Problem]) -> list[Path]:
    part = folder / path.stem
    if not path.exists() and part.is_dir():
        return [image for image in image_paths if image.is_relative_to(part)]
    by_name = {image.stem: image for image in image_paths} | {image.name: image for image in image_paths}
    finder, known = ImageFinder(folder), set(image_paths)
    chosen: dict[Path, None] = {}
    for name in read_names(path):
        image = by_name.get(name) or finder.find(name)
        if image in known:
            chosen[image] = None
        else:
            problems.append(
                Problem(str(path), f"There is no image '{shown(name)}' in the folder {folder.name}.")
            )
    return list(chosen)


def _said(folder: Path, root: Path) -> str:
    return str(folder) if folder == root else folder.relative_to(root).as_posix()
