"""Which picture of which task a file name means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ritm_model.errors import shown
from ritm_model.images.finding import fit
from ritm_model.images.names import NamedPath, Parts, loose_key, named_paths
from ritm_ops.label_studio.images import ImageTag, pictures_of

_Fit = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A picture of a task.

    Attributes:
        task: its number.
        to_name: the `Image` that shows it; on a page of a Repeater, with its index.
        item_index: which of the tag's pictures, None where it has one.
        reference: as the task's data says it.
    """

    task: int
    to_name: str
    item_index: int | None
    reference: str


def places_of(task: int, data: object, tags: Iterable[ImageTag]) -> Iterator[Place]:
    """The pictures of a task."""
    for tag in tags:
        for found in pictures_of(tag, data):
            yield Place(task, found.to_name, found.item_index, found.reference)


class Matching:
    """The pictures that names of files mean.

    Names may have folders of another machine, and lack their extension; uploads have eight characters before
    theirs. What shares most of the last folders is meant, and several tasks may have one picture. Where
    several pictures fit a name equally well, or several names a picture, none is taken: boxes on the wrong
    picture are worse than none.

    Attributes:
        places: by name.
        problems: why a name has no place.
    """

    def __init__(self, names: Iterable[str], places: Iterable[Place]) -> None:
        self.places: dict[str, list[Place]] = {}
        self.problems: dict[str, str] = {}
        index: defaultdict[str, list[tuple[Parts, Place]]] = defaultdict(list)
        for place in places:
            for path in named_paths(place.reference):
                index[loose_key(path.name)].append((path.parts, place))
        found: dict[str, list[_Fitting]] = {}
        wanted: defaultdict[Place, list[tuple[_Fit, str]]] = defaultdict(list)
        for name in dict.fromkeys(names):
            best = _best(name, index)
            if not best:
                self.problems[name] = f"No task has the image '{shown(name)}'."
            elif len({each.parts for each in best}) > 1:
                self.problems[name] = f"Several images of tasks may be '{shown(name)}'."
            else:
                found[name] = best
            for each in best:
                wanted[each.place].append((each.fit, name))
        for name, best in found.items():
            rivals = [rival for each in best for rival in wanted[each.place] if rival[1] != name]
            if any(fit <= best[0].fit for fit, _ in rivals):
                self.problems[name] = f"The image '{shown(name)}' may be another one of that name."
            else:
                self.places[name] = [each.place for each in best]


@dataclass(frozen=True, slots=True)
class _Fitting:
    fit: _Fit
    parts: Parts
    place: Place


def _best(name: str, index: Mapping[str, list[tuple[Parts, Place]]]) -> list[_Fitting]:
    """The places that fit a name best, all equally well."""
    fits: dict[Place, _Fitting] = {}
    for path in named_paths(name):
        wanted = NamedPath(path.parts, is_foreign=True)
        for parts, place in index.get(loose_key(path.name), ()):
            like = fit(wanted, parts, anywhere=True)
            if like is not None and (place not in fits or like < fits[place].fit):
                fits[place] = _Fitting(like, parts, place)
    best = min((each.fit for each in fits.values()), default=())
    return [each for each in fits.values() if each.fit == best]
