"""From judgements of tasks to their order.

Shapes: N unlabelled tasks, M labelled ones, C features.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
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
        mirror: see `Judgement`.
        shift: see `Judgement`.
        distance: to the labelled picture that is most like it, 0 to 2; None where nothing is labelled.
        sizes: how rare the sizes of what is found on it are among what is found on labelled ones, 0 to 1.
    """

    task: int
    place: int
    mirror: float
    shift: float
    distance: float | None
    sizes: float

    def values(self) -> dict[str, float | None]:
        """The measures, rounded for people."""
        measures = {
            "mirror": self.mirror,
            "shift": self.shift,
            "distance": self.distance,
            "sizes": self.sizes,
        }
        return {name: None if value is None else round(value, 3) for name, value in measures.items()}


def ranked(
    unlabelled: Mapping[int, Judgement], labelled: Mapping[int, Judgement], by: OrderName
) -> tuple[Ranked, ...]:
    """Put tasks in order, the one to label first at the front.

    Args:
        unlabelled: judgements by the numbers of tasks.
        labelled: those of tasks that are labelled.
        by: random is drawn once for each task, coverage comes nearest to all others, distance is least like
            what is labelled, mirror and shift are where the model is least sure, sizes are where rare sizes
            are.
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
    elif by == "random":
        places = by_value([_drawn(task) for task in tasks])
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


def _drawn(task: int) -> float:
    """A number from 0 to 1 that is always the same for a task, so that places do not change every night."""
    return int.from_bytes(hashlib.sha256(str(task).encode()).digest()[:6], "big") / (1 << 48)


def _features(judgements: Sequence[Judgement]) -> Features:
    return np.array([each.features for each in judgements], np.float32)


def _sizes(judgement: Judgement) -> tuple[Hashable, ...]:
    return tuple(size_class(area) for area in judgement.areas)


def _counts(judgements: Sequence[Judgement]) -> Mapping[Hashable, int]:
    return Counter(size for each in judgements for size in _sizes(each))
