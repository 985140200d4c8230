"""In which order were the clicks made?

CVAT sends positive and negative clicks as two lists. Within a list the order is that of the annotator,
between the lists it is lost, and a predictor that refines its mask click by click wants it back. Between
two calls an annotator adds or removes a few clicks, so comparing the lists with those of the last call
tells where the new ones belong: at the end.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import chain, zip_longest

from ritm_model.clicks import Click

Clicks = tuple[Click, ...]


class ClickHistory:
    """The click sequences of the objects that annotators worked on last, per image.

    Bounded on both sides: the images and the objects of an image that were not touched for longest go
    first. What is forgotten costs quality, never correctness: the order is then guessed.
    """

    def __init__(self, max_images: int = 256, max_objects: int = 16) -> None:
        self._max_images = max_images
        self._max_objects = max_objects
        self._objects_by_image: OrderedDict[str, list[Clicks]] = OrderedDict()

    def order(self, image_key: str, positives: Sequence[Click], negatives: Sequence[Click]) -> Clicks:
        """Bring the clicks of one object into the order in which they were made, and remember it.

        The remembered sequence that shares most clicks with the lists is continued: the clicks it
        shares keep their order, and the others follow. A new object shares none and starts anew.
        """
        objects = self._objects_by_image.setdefault(image_key, [])
        self._objects_by_image.move_to_end(image_key)

        found, kept = None, 0
        for known in objects:
            common = _common_clicks(known, positives, negatives)
            if common is not None and len(common) > kept:
                found, kept = known, len(common)
        if found is None:
            ordered = guess_order(positives, negatives)
        else:
            objects.remove(found)
            ordered = continue_order(found, positives, negatives)

        if ordered:
            objects.insert(0, ordered)
        del objects[self._max_objects :]
        while len(self._objects_by_image) > self._max_images:
            self._objects_by_image.popitem(last=False)
        return ordered


def guess_order(positives: Sequence[Click], negatives: Sequence[Click]) -> Clicks:
    """Take turns, a positive click first: without memory, the likeliest course of correcting a mask."""
    turns = chain.from_iterable(zip_longest(positives, negatives))
    return tuple(click for click in turns if click is not None)


def continue_order(known: Clicks, positives: Sequence[Click], negatives: Sequence[Click]) -> Clicks:
    """Keep the order of the clicks that `known` shares with the lists, and put the new ones behind them."""
    common = _common_clicks(known, positives, negatives) or ()
    n_positives = sum(click.is_positive for click in common)
    n_negatives = len(common) - n_positives
    return common + guess_order(positives[n_positives:], negatives[n_negatives:])


def _common_clicks(known: Clicks, positives: Sequence[Click], negatives: Sequence[Click]) -> Clicks | None:
    """The clicks of `known` that still stand, or None where the lists cannot have come from it.

    Removing clicks leaves a subsequence and adding appends, so that what still stands must be the
    beginning of each list.
    """
    standing = {*positives, *negatives}
    common = tuple(click for click in known if click in standing)
    for is_positive, now in ((True, positives), (False, negatives)):
        before = [click for click in common if click.is_positive is is_positive]
        if before != list(now[: len(before)]):
            return None
    return common


def lead_with_positive(clicks: Clicks) -> Clicks:
    """Move the first positive click to the front, which an annotator may have removed there.

    A negative click takes away from a mask, and before the first positive one there is none.
    """
    for index, click in enumerate(clicks):
        if click.is_positive:
            return (click, *clicks[:index], *clicks[index + 1 :])
    return clicks
