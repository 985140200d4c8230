"""Clicking into a mask that is already there: refine it instead of making a new one.

The rule. An object refines an existing region if its first click, positive or negative, lies inside a brush
region of the same image and label (of any label, if the click has none). Regions are looked for in the
user's newest draft alone, because it is all that the open editor shows; without a draft in annotations, then
in predictions, the newest first. Of regions with the same id only the first found counts, because the others
are older versions of it. Its mask becomes the previous mask, and its id, label and brush are kept, so the
editor replaces it.

Memory. Choices and decoded masks are bounded by bytes, not by time: what was not used for longest goes first.

The choice must not change while the object is being clicked. But what Label Studio sends changes
meanwhile: a draft is saved about five seconds after each change, so a region accepted just before the first
click can appear at the second, with the first click inside it. Therefore:

* The choice, also that nothing is refined, is made once per first click (its id and its place, as a dragged
  click is a new question) and holds while it is remembered.
* A region with the id that this object's own mask has is never chosen: it is the result of these very
  clicks, come back through the draft, and replaying the clicks gives it again.
* Forgotten, after a restart or in another process, the choice is made again from what Label Studio holds
  then. While an object is pending, that is the same, unless a draft was saved in between.

What this cannot see: a mask accepted less than those five seconds ago.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from ritm_backend.label_studio.masks import PackedMask
from ritm_backend.label_studio.prompts import ObjectPrompt, sources_on_screen, stable_id
from ritm_backend.label_studio.regions import BrushMask, Json, KeyPoint, read_regions
from ritm_backend.lru import BytesLru
from ritm_model.masks import brush_rle
from ritm_model.masks.brush_rle import RleError

_OVERHEAD = 512  # bytes of an entry without its mask


@dataclass(frozen=True, slots=True)
class Existing:
    """A region to be refined. `key` names its mask's content."""

    id: str
    from_name: str
    label: str | None
    mask: PackedMask
    key: str


@dataclass(frozen=True, slots=True)
class _Choice:
    existing: Existing | None


class ExistingRegions:
    """Finds the region a first click refines, and remembers the choice and the decoded masks.

    Args:
        memory: Bytes to remember with, half of them for the choices and half for the masks. No time limit.
    """

    def __init__(self, memory: int) -> None:
        self._choices: BytesLru[object, _Choice] = BytesLru(memory // 2)
        self._masks: BytesLru[str, PackedMask] = BytesLru(memory // 2)

    def choose(self, task: Json, prompt: ObjectPrompt, size: tuple[int, int]) -> Existing | None:
        """The region that the object's clicks refine, if any, by the rule of this module.

        Args:
            task: As Label Studio sends it. Broken masks in it are passed over.
            prompt: The object. A box never refines.
            size: Width and height of the picture in the editor, in pixels.
        """
        first = prompt.first
        if not isinstance(first, KeyPoint):
            return None
        own_id = stable_id(task.get("id"), prompt)
        key = (own_id, first.x, first.y)
        choice = self._choices.get(key)
        if choice is None:
            found = self._find(task, prompt, first, size, own_id)
            nbytes = _OVERHEAD + (found.mask.bits.nbytes if found else 0)
            choice = self._choices.setdefault(key, _Choice(found), nbytes)
        return choice.existing

    def _find(
        self, task: Json, prompt: ObjectPrompt, first: KeyPoint, size: tuple[int, int], own_id: str
    ) -> Existing | None:
        x, y = first.x / 100 * size[0], first.y / 100 * size[1]
        for region in _candidates(task):
            if region.id == own_id or not _is_comparable(region, prompt, size):
                continue
            try:
                key, mask = self._decode(region, size)
            except RleError:
                continue  # somebody else's trouble, and no reason to refuse this click
            if mask.contains(x, y):
                return Existing(region.id, region.from_name, region.label, mask, key)
        return None

    def _decode(self, region: BrushMask, size: tuple[int, int]) -> tuple[str, PackedMask]:
        try:
            rle = bytes(region.rle)
        except (TypeError, ValueError):
            raise RleError("The brush mask is not a list of byte values.") from None
        key = sha256(b"%dx%d:" % size + rle).hexdigest()
        mask = self._masks.get(key)
        if mask is None:
            mask = PackedMask.pack(brush_rle.decode(rle, *size))
            self._masks.setdefault(key, mask, _OVERHEAD + mask.bits.nbytes)
        return key, mask


def _candidates(task: Json) -> Iterator[BrushMask]:
    seen: set[str] = set()
    for source in sources_on_screen(task):
        for region in reversed(read_regions(source.get("result")).masks()):
            if region.id not in seen:
                seen.add(region.id)
                yield region


def _is_comparable(region: BrushMask, prompt: ObjectPrompt, size: tuple[int, int]) -> bool:
    theirs, ours = region.frame, prompt.frame
    return (
        theirs.to_name == ours.to_name
        and (theirs.item_index or 0) == (ours.item_index or 0)
        and (theirs.width, theirs.height) == size
        and prompt.label in (None, region.label)
    )
