"""Ids of an object's polygons, that stay from click to click.

A mask of several parts is several polygons, but one object has one id. The polygon that covers most of what
the object's own id stood for keeps that id, and so does each further polygon with its own; new ones get ids
that follow from the object's. What stood where is remembered from the answer before. A process that has not
given it, after a restart or beside others, begins with the largest part.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from uuid import UUID, uuid5

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.masks.outline import Ring_N2

_PART_IDS = UUID("0b3a6d1e-7c55-4f0a-8a3e-52f1f6a1c9d4")  # random
_MOST_OBJECTS = 4096
_GRID = 192  # cells along the longer side, to compare places
_ID_LENGTH = 12


class RingIds:
    """Gives ids to polygons. Thread-safe."""

    def __init__(self) -> None:
        self._given: OrderedDict[str, tuple[tuple[str, Ring_N2], ...]] = OrderedDict()
        self._lock = Lock()

    def give(self, own_id: str, rings: Sequence[Ring_N2], before: Sequence[Ring_N2] = ()) -> list[str]:
        """An id for each of an object's polygons.

        Args:
            own_id: of the object. One polygon always has it.
            rings: the polygons now, the largest first; at least one.
            before: the polygon that had the id, where another than this object's own clicks made it.
        """
        with self._lock:
            given = self._given.get(own_id) or tuple((own_id, ring) for ring in before[:1])
            ids = matched_ids(own_id, rings, given)
            self._given[own_id] = tuple(zip(ids, rings, strict=True))
            self._given.move_to_end(own_id)
            while len(self._given) > _MOST_OBJECTS:
                self._given.popitem(last=False)
        return ids


def derived_id(own_id: str, name: str) -> str:
    """The id of a region that belongs to another one."""
    return uuid5(_PART_IDS, f"{own_id} {name}").hex[:_ID_LENGTH]


def matched_ids(own_id: str, rings: Sequence[Ring_N2], given: Sequence[tuple[str, Ring_N2]]) -> list[str]:
    """Ids for polygons: each keeps that of the earlier one with which it shares most."""
    ids: list[str | None] = [None] * len(rings)
    for old, new in _pairs([ring for _, ring in given], rings):
        if ids[new] is None and given[old][0] not in ids:
            ids[new] = given[old][0]
    if own_id not in ids:
        ids[ids.index(None) if None in ids else 0] = own_id
    names = (derived_id(own_id, str(number)) for number in range(1, 2 * len(rings) + len(given) + 2))
    unused = (name for name in names if name not in ids)
    return [id if id is not None else next(unused) for id in ids]


def _pairs(old_rings: Sequence[Ring_N2], new_rings: Sequence[Ring_N2]) -> list[tuple[int, int]]:
    """Earlier and later polygons that share pixels, those that share most first."""
    if not old_rings or not new_rings:
        return []
    points = np.concatenate([*old_rings, *new_rings])
    corner = points.min(axis=0)
    scale = _GRID / max(float((points.max(axis=0) - corner).max()), 1.0)
    painted = [_painted((ring - corner) * scale) for ring in (*old_rings, *new_rings)]
    shared = [
        (int((painted[old] & painted[len(old_rings) + new]).sum()), -old, -new)
        for old in range(len(old_rings))
        for new in range(len(new_rings))
    ]
    return [(-old, -new) for amount, old, new in sorted(shared, reverse=True) if amount]


def _painted(ring_N2: Ring_N2) -> npt.NDArray[np.bool_]:
    cells = np.zeros((_GRID + 1, _GRID + 1), np.uint8)
    cv2.fillPoly(cells, [np.round(ring_N2).astype(np.int32)], 1)
    return cells > 0
