"""Ids of an object's polygons, that stay from click to click.

A mask of several parts is several polygons, but one object has one id. The polygon that covers most of what
the object's own id stood for keeps that id, and so does each further polygon with its own; new ones get ids
that follow from the object's. What stood where is remembered from the answer before, in a place that all
processes share which may give the next one. Where it is not known, the largest part begins with the object's
id.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Annotated, Protocol, TypeAlias
from uuid import UUID, uuid5

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from ritm_model.masks.outline import Ring_N2

_PART_IDS = UUID("0b3a6d1e-7c55-4f0a-8a3e-52f1f6a1c9d4")  # random
_MOST_OBJECTS = 4096
_GRID = 96  # cells along the longer side, to compare places
_ID_LENGTH = 12

Given: TypeAlias = Sequence[tuple[str, Ring_N2]]
"""Polygons with their ids, as they were answered."""

_LARGEST = 1 << 20
_Pixel: TypeAlias = Annotated[int, Field(ge=-_LARGEST, le=_LARGEST)]
_Points: TypeAlias = Annotated[list[tuple[_Pixel, _Pixel]], Field(min_length=1)]
_STORED = TypeAdapter(list[tuple[str, _Points]], config=ConfigDict(strict=True))


class SharedRings(Protocol):
    """Where processes leave the polygons of objects for each other. Thread-safe; never raises."""

    def read(self, own_id: str) -> bytes | None:
        """What was left of an object last, None if nothing was."""

    def leave(self, own_id: str, data: bytes) -> None:
        """Leave it for the next answer."""


class RingIds:
    """Gives ids to polygons. Thread-safe.

    Args:
        shared: with other processes; without, or where it has nothing, this process knows its own answers.
    """

    def __init__(self, shared: SharedRings | None = None) -> None:
        self._shared = shared
        self._given: OrderedDict[str, Given] = OrderedDict()
        self._lock = Lock()

    def give(
        self, own_id: str, rings: Sequence[Ring_N2], before: Callable[[], Sequence[Ring_N2]] = tuple
    ) -> list[str]:
        """An id for each of an object's polygons.

        Args:
            own_id: of the object. One polygon always has it.
            rings: the polygons now, the largest first; at least one.
            before: tells the polygon that had the id, where another than this object's own clicks made it.
        """
        given: Given = ()
        if len(rings) > 1:
            given = self._recalled(own_id) or tuple((own_id, ring) for ring in before()[:1])
        ids = matched_ids(own_id, rings, given)
        self._keep(own_id, tuple(zip(ids, rings, strict=True)))
        return ids

    def _recalled(self, own_id: str) -> Given | None:
        data = self._shared.read(own_id) if self._shared else None
        found = _read(data) if data else None
        with self._lock:
            return found or self._given.get(own_id)

    def _keep(self, own_id: str, given: Given) -> None:
        with self._lock:
            self._given[own_id] = given
            self._given.move_to_end(own_id)
            while len(self._given) > _MOST_OBJECTS:
                self._given.popitem(last=False)
        if self._shared:
            whole = [(id, ring_N2.round().astype(np.int32).tolist()) for id, ring_N2 in given]
            self._shared.leave(own_id, json.dumps(whole, separators=(",", ":")).encode())


def _read(data: bytes) -> Given | None:
    """Polygons that another process has left; None for anything else."""
    try:
        stored = _STORED.validate_json(data)
    except ValidationError:
        return None
    return tuple((id, np.array(points, np.float64)) for id, points in stored)


def derived_id(own_id: str, name: str) -> str:
    """The id of a region that belongs to another one."""
    return uuid5(_PART_IDS, f"{own_id} {name}").hex[:_ID_LENGTH]


def matched_ids(own_id: str, rings: Sequence[Ring_N2], given: Given) -> list[str]:
    """Ids for polygons: each keeps that of the earlier one with which it shares most."""
    if len(rings) == 1:
        return [own_id]
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
    old_cells, new_cells = (_painted(each, corner, scale) for each in (old_rings, new_rings))
    shape = (len(old_rings) + 1, len(new_rings) + 1)
    cells = np.bincount((old_cells * shape[1] + new_cells).ravel(), minlength=shape[0] * shape[1])
    shared_ON = cells.reshape(shape)[1:, 1:]
    shared = [(int(shared_ON[old, new]), -int(old), -int(new)) for old, new in np.argwhere(shared_ON)]
    return [(-old, -new) for _, old, new in sorted(shared, reverse=True)]


def _painted(
    rings: Sequence[Ring_N2], corner: npt.NDArray[np.float64], scale: float
) -> npt.NDArray[np.int32]:
    """By cell the number of the ring there, from 1 on; 0 outside. Of several it is the last one's."""
    cells = np.zeros((_GRID + 1, _GRID + 1), np.int32)
    for number, ring_N2 in enumerate(rings, start=1):
        cv2.fillPoly(cells, [((ring_N2 - corner) * scale).round().astype(np.int32)], number)
    return cells
