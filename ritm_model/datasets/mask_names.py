"""To which photograph a mask belongs, by the names of both.

a_mask                           belongs to a
mask of a      mask of {stem}    belongs to a, by a pattern of the user
a/7            {stem}/{number}   belongs to a
train/masks/a                    belongs to train/images/a
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import PurePath

from ritm_model.datasets.named_files import without_suffix
from ritm_model.datasets.problems import DatasetError
from ritm_model.errors import shown
from ritm_model.images.names import has_suffix, stem_of

Owners = Callable[[PurePath], Sequence[PurePath]]
"""From the path of a mask, without extension, to those that its photograph may have, the likeliest first."""

_ENDING = re.compile(r"[_-](?:\d+|masks?|labels?|seg|segmentation|instance|gt)$", re.IGNORECASE)
STEM, _NUMBER, _ANYTHING = "{stem}", "{number}", "*"


def with_the_same_name(path: PurePath) -> list[PurePath]:
    return [path]


def with_usual_ending(path: PurePath) -> list[PurePath]:
    """`a`, `a_7`, `a_mask`, `a_mask_7`, `a.jpg` … belong to `a`."""
    stems = [path.name]
    while (shorter := without_suffix(_ENDING.sub("", stems[-1]))) != stems[-1] and shorter:
        stems.append(shorter)
    return [path.parent / stem for stem in stems]


def with_any_ending(path: PurePath) -> list[PurePath]:
    """`a_<anything>` belongs to `a`; so does all that has a usual ending."""
    parts = path.name.split("_")
    stems = ["_".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return [path.parent / stem for stem in stems if stem] + with_usual_ending(path)[1:]


BY_CUSTOM = (with_usual_ending, with_any_ending)
OF_LAYOUTS = (*BY_CUSTOM, with_the_same_name)


def named_by(pattern: str) -> Owners:
    """Masks whose names without extension fit a pattern.

    Args:
        pattern: such as `{stem}_mask` or `{stem}-{number}-*`; with the last folders of masks, where these
            tell the photograph, as in `{stem}/{number}`.

    Raises:
        DatasetError: it does not say where the name of the photograph stands.
    """
    text = (stem_of(pattern) if has_suffix(pattern) else pattern).replace("\\", "/")
    count = text.count("/") + 1
    if text.count(STEM) != 1 or not {"", ".", ".."}.isdisjoint(text.split("/")):
        raise DatasetError(
            f"A pattern of masks must hold {STEM} once, as in {STEM}_mask or {STEM}/{_NUMBER}; "
            f"'{shown(pattern)}' does not."
        )
    expression = re.escape(unicodedata.normalize("NFC", text))
    for part, found in ((STEM, "([^/]+)"), (_NUMBER, r"\d+"), (_ANYTHING, "[^/]*")):
        expression = expression.replace(re.escape(part), found)
    fits = re.compile(expression, re.IGNORECASE)

    def owners(path: PurePath) -> list[PurePath]:
        found = fits.fullmatch(unicodedata.normalize("NFC", "/".join(path.parts[-count:])))
        return [PurePath(*path.parts[:-count], found[1])] if found else []

    return owners


def with_folders(owners: Owners, images: str, masks: str) -> Owners:
    """Also by the folder: train/masks/a belongs to train/images/a."""

    def of_both(path: PurePath) -> list[PurePath]:
        parts = path.parent.parts
        place = next((at for at in reversed(range(len(parts))) if parts[at].casefold() == masks), None)
        found = list(owners(path))
        if place is None:
            return found
        is_capital = parts[place][0].isupper()
        name = images.capitalize() if is_capital else images
        beside = PurePath(*parts[:place], name, *parts[place + 1 :])
        return [beside / owner.name for owner in found if owner.parent == path.parent] + found

    return of_both
