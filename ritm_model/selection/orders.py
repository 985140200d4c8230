"""From measures of photographs to the order in which they are to be labelled.

Shapes: N photographs to order, M labelled ones, C channels of their features.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ritm_model.selection.features import Features, standardised

SIZES = (0.01, 0.1)
"""Below the first an object is small, below the second it is of medium size; parts of the photograph."""


def by_value(values_N: Sequence[float]) -> tuple[int, ...]:
    """Places by falling value; equal ones keep their order."""
    return tuple(sorted(range(len(values_N)), key=lambda place: -values_N[place]))


def farthest_first(features_NC: Features, labelled_MC: Features) -> tuple[int, ...]:
    """Always the photograph that is least like any labelled one, or any taken before.

    Where none is labelled, the one that is most like all others comes first.
    """
    rows_NC, known_MC = standardised(features_NC, labelled_MC)
    count = len(rows_NC)
    if not count:
        return ()
    if len(known_MC):
        nearest_N = (rows_NC @ known_MC.T).max(axis=1)
        order: list[int] = []
    else:
        first = int((rows_NC @ rows_NC.sum(axis=0)).argmax())
        order, nearest_N = [first], rows_NC @ rows_NC[first]
    taken_N = np.zeros(count, np.bool_)
    taken_N[order] = True
    while len(order) < count:
        place = int(np.where(taken_N, np.inf, nearest_N).argmin())
        order.append(place)
        taken_N[place] = True
        nearest_N = np.maximum(nearest_N, rows_NC @ rows_NC[place])
    return tuple(order)


def covering(
    features_NC: Features, labelled_MC: Features, weights_N: npt.NDArray[np.floating] | None = None
) -> tuple[int, ...]:
    """Always the photograph that brings the rest nearest to what is labelled (greedy facility location).

    Unlike `farthest_first`, it begins with what there is most of, and comes to the odd ones late.

    Args:
        features_NC: of the photographs to order.
        labelled_MC: of labelled ones.
        weights_N: how much each photograph is worth to be near to something labelled; None for alike.
    """
    rows_NC, known_MC = standardised(features_NC, labelled_MC)
    count = len(rows_NC)
    if not count:
        return ()
    likeness_NN = 1 + rows_NC @ rows_NC.T  # in [0, 2]
    nearest_N = 1 + (rows_NC @ known_MC.T).max(axis=1) if len(known_MC) else np.zeros(count, np.float32)
    weights = np.ones(count) if weights_N is None else np.asarray(weights_N, np.float64)
    left = list(range(count))
    order: list[int] = []
    while left:
        gains = weights @ np.maximum(likeness_NN[:, left] - nearest_N[:, None], 0)
        place = left.pop(int(gains.argmax()))
        order.append(place)
        nearest_N = np.maximum(nearest_N, likeness_NN[:, place])
    return tuple(order)


def size_class(area: float) -> str:
    """The name of the size of an object that covers this part of its photograph."""
    return "small" if area < SIZES[0] else "medium" if area < SIZES[1] else "large"


def rarity(groups: Sequence[Sequence[Hashable]], labelled: Mapping[Hashable, int]) -> tuple[float, ...]:
    """How rare what a photograph seems to hold is among what is labelled, 0 to 1.

    Args:
        groups: for each photograph the size classes, or labels, of what is found on it.
        labelled: how many labelled objects there are of each.

    Returns:
        For each photograph the mean of 1 - share over what is on it; 0 where nothing is.
    """
    total = sum(labelled.values())
    return tuple(
        float(np.mean([1 - labelled.get(group, 0) / total if total else 1.0 for group in found]))
        if found
        else 0.0
        for found in groups
    )
