"""A candidate in the shadow of the live version: it answers accepted objects again, and nobody sees it.

Annotators come first. Nothing is done while a request waits for a place, and of the time one part in five
is used at most.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from time import monotonic

import numpy as np

from ritm_backend.accepted.notes import Note
from ritm_backend.model_host import ModelHost
from ritm_backend.pictures import Pictures, image_key
from ritm_model.errors import RitmError
from ritm_model.inference import Prompt
from ritm_model.inference.timing import Timings
from ritm_model.masks.overlap import iou
from ritm_ops.admission import Admission
from ritm_ops.label_studio.results import Drawing
from ritm_ops.registry.live_model import OnTrial

_MOST_WAITING = 64  # objects; of more, the oldest are not measured
_REST = 4.0  # seconds of rest for each second of work
_CHECK_SECONDS = 1.0  # before it is asked again whether annotators wait
_WHOLE_MASKS = ("brush", "bitmask", "polygon")

FindHost = Callable[[str | None], "ModelHost | None"]
Found = Callable[[Note, str, float], None]


class Shadow:
    """Measures candidates. For one thread.

    Args:
        host: of a pipeline's model, where this process holds it.
        pictures: loads images.
        admission: says whether annotators wait.
    """

    def __init__(self, host: FindHost, pictures: Pictures, admission: Admission) -> None:
        self._host = host
        self._pictures = pictures
        self._admission = admission
        self._waiting: deque[tuple[Note, Drawing]] = deque(maxlen=_MOST_WAITING)
        self._rests_until = 0.0

    def add(self, note: Note, accepted: Drawing) -> None:
        """Measure an accepted object when there is time; only what was clicked from nothing can be."""
        if note.reference and not note.before and accepted.kind in _WHOLE_MASKS:
            self._waiting.append((note, accepted))

    @property
    def due(self) -> float:
        """When there is something to do, in seconds of the monotonic clock."""
        return self._rests_until if self._waiting else math.inf

    def work(self, until: float, found: Found) -> None:
        """Measure what there is time for before `until`, in seconds of the monotonic clock.

        `found` is told the object, the candidate and the IoU of its mask with the accepted one.
        """
        while self._waiting and self._rests_until <= (begun := monotonic()) < until:
            if self._admission.waiting:
                self._rests_until = begun + _CHECK_SECONDS
                return
            note, accepted = self._waiting.popleft()
            host = self._host(note.pipeline)
            on_trial = host.on_trial if host else None
            if on_trial is None or on_trial.trial.kind != "shadow":
                continue
            try:
                overlap = self._overlap(on_trial, note, accepted)
            except RitmError:
                continue  # an image that is gone, a mask that cannot be read: nothing to measure
            finally:
                self._rests_until = monotonic() + _REST * (monotonic() - begun)
            found(note, on_trial.trial.version, overlap)

    def _overlap(self, on_trial: OnTrial, note: Note, accepted: Drawing) -> float:
        deadline = self._admission.deadline()
        key = image_key(note.task, note.reference)
        image_HW3 = on_trial.annotator.image(
            key, lambda: self._pictures.load(note.reference, note.task, Timings(), deadline)
        )
        state = on_trial.annotator.segment(
            Prompt(key, note.all_clicks, region=note.region), lambda: image_HW3
        )
        overlap = iou(state.mask, accepted.mask(*image_HW3.shape[:2]).astype(np.int8))
        return 1.0 if math.isnan(overlap) else overlap
