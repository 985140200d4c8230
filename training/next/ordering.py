"""The order of tasks: from judgements, or by lot.

Shapes: N unlabelled tasks, M labelled ones, C features.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ritm_model.selection.features import Features, standardised
from ritm_model.selection.orders import by_value, covering, farthest_first, rarity, size_class
from training.next.judging import Judgement
from training.next.names import OrderName


@dataclass(frozen=True, slots=True)
class Ranked:
    """An unlabelled task at its place.

    Attributes:
        task: its number.
        place: from 1 on.
        mirror: see `Judgement`; None, as all that follows, where the picture was not looked at.
        shift: see `Judgement`.
        distance: to the labelled picture that is most like it, 0 to 2; None where nothing is labelled.
        sizes: how rare the sizes of what is found on it are among what is found on labelled ones, 0 to 1.
    """

    task: int
    place: int
    mirror: float | None = None
    shift: float | None = None
    distance: float | None = None
    sizes: float | None = None

    def values(self) -> dict[str, float | None]:
        """The measures, rounded for people."""
        measures = {
            "mirror": self.mirror,
            "shift": self.shift,
            "distance": self.distance,
            "sizes": self.sizes,
        }
        return {name: None if value is None else round(value, 3) for name, value in measures.items()}


def drawn(tasks: Iterable[int]) -> tuple[Ranked, ...]:
    """Put tasks in a random order, by a lot that each keeps, so that places do not change every night."""
    return tuple(Ranked(task, place) for place, task in enumerate(sorted(tasks, key=_drawn), 1))


def ranked(
    unlabelled: Mapping[int, Judgement], labelled: Mapping[int, Judgement], by: OrderName
) -> tuple[Ranked, ...]:
    """Put tasks in order by what a model made of their pictures, the one to label first at the front.

    Args:
        unlabelled: judgements by the numbers of tasks.
        labelled: those of tasks that are labelled.
        by: coverage comes nearest to all others, distance is least like what is labelled, mirror and shift
            are where the model is least sure, sizes are where rare sizes are. For random, see `drawn`.
    """
    tasks = sorted(unlabelled)
    if not tasks:
        return ()
    judgements = [unlabelled[task] for task in tasks]
    features_NC, known_MC = _features(judgements), _features(list(labelled.values()))
    if not len(known_MC):
        known_MC = features_NC[:0]
    rows_NC, rows_MC = standardised(features_NC, known_MC)
    distances = 1 - (rows_NC @ rows_MC.T).max(axis=1) if len(rows_MC) else None
    sizes = rarity([_sizes(each) for each in judgements], _counts(list(labelled.values())))
    measures = {
        "mirror": [each.mirror for each in judgements],
        "shift": [each.shift for each in judgements],
        "sizes": list(sizes),
    }
    if by == "coverage":
        places = covering(features_NC, known_MC)
    elif by == "distance":
        places = farthest_first(features_NC, known_MC)
    else:
        places = by_value(measures[by])
    return tuple(
        Ranked(
            tasks[place],
            number,
            judgements[place].mirror,
            judgements[place].shift,
            None if distances is None else float(distances[place]),
            sizes[place],
        )
        for number, place in enumerate(places, 1)
    )


def _drawn(task: int) -> bytes:
    return hashlib.sha256(str(task).encode()).digest()


def _features(judgements: Sequence[Judgement]) -> Features:
    return np.array([each.features for each in judgements], np.float32)


def _sizes(judgement: Judgement) -> tuple[Hashable, ...]:
    return tuple(size_class(area) for area in judgement.areas)


def _counts(judgements: Sequence[Judgement]) -> Mapping[Hashable, int]:
    return Counter(size for each in judgements for size in _sizes(each))
