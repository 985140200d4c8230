"""Counting what annotators accept, in a thread of its own: nobody waits for it.

Label Studio tells of each annotation that is created or changed. Regions in it that were made here are
accepted objects. They are counted by day and version, and for a candidate on trial; every few seconds the
counts go to the registry, and a trial that is decided is settled.

What is not told before a process ends is lost: a few seconds of counts, which favour no version.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timezone
from threading import Condition, Thread
from time import monotonic

from ritm_backend.accepted.following import CountedModel
from ritm_backend.accepted.notes import Note, NoteKeeper
from ritm_backend.accepted.shadow import Shadow
from ritm_backend.logs import log, whereabouts
from ritm_model.errors import RitmError
from ritm_ops.label_studio.results import Drawing, read_results
from ritm_ops.registry.tallies import Agreement, Counts, Tally
from ritm_ops.registry.trials import Counted, Trial

_MOST_WAITING = 1000  # annotations
_TIDY_SECONDS = 600.0

_logger = logging.getLogger(__name__)


class Counting:
    """Counts accepted objects. Thread-safe.

    Args:
        models: whose versions are counted, by pipeline.
        notes: what was clicked.
        shadow: has candidates answer in the shadow of the live version.
        every_seconds: how often the registry is told.
    """

    def __init__(
        self,
        models: Mapping[str | None, CountedModel],
        notes: NoteKeeper,
        shadow: Shadow,
        every_seconds: float,
    ) -> None:
        self._notes = notes
        self._models = models
        self._shadow = shadow
        self._every_seconds = every_seconds
        self._waiting: deque[object] = deque(maxlen=_MOST_WAITING)
        self._changed = Condition()
        self._thread: Thread | None = None
        self._counts: dict[str | None, Counts] = {}
        self._of_trial: dict[tuple[str | None, str], Counted] = {}
        self._trials: dict[str | None, Trial | None] = {}
        self._told_trouble = ""

    def clicked(self, region_id: str, note: Note) -> None:
        """An object was answered with a region of this id."""
        if note.pipeline in self._models:
            self._notes.keep(region_id, note)

    def accept(self, results: object) -> None:
        """Take the regions of an annotation that an annotator has created or changed. Returns at once."""
        with self._changed:
            self._waiting.append(results)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="counting", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        tell_at, tidy_at = monotonic(), monotonic() + _TIDY_SECONDS
        while True:
            with self._changed:
                due = min(tell_at, self._shadow.due)
                self._changed.wait_for(lambda: self._waiting, max(0.0, due - monotonic()))
                annotations = list(self._waiting)
                self._waiting.clear()
            try:
                for results in annotations:
                    self._take(results)
                self._shadow.work(tell_at, self._agreed)
                if monotonic() >= tell_at:
                    tell_at = monotonic() + self._every_seconds
                    self._tell()
                if monotonic() >= tidy_at:
                    tidy_at = monotonic() + _TIDY_SECONDS
                    self._notes.tidy()
            except RitmError as error:
                self._trouble(str(error), {})
            except Exception as error:  # noqa: BLE001  (the boundary of this thread)
                self._trouble("accepted objects were not counted", whereabouts(error))

    def _take(self, results: object) -> None:
        for drawing in read_results(results).drawings:
            note = self._notes.take(drawing.id)
            if note is not None and note.version and note.pipeline in self._models:
                self._count(note, drawing)

    def _count(self, note: Note, drawing: Drawing) -> None:
        tally, day = Tally.of_one(note.cost), datetime.now(timezone.utc).date()
        counts = Counts(by_day={day: {note.version: tally}})
        self._counts[note.pipeline] = self._counts.get(note.pipeline, Counts()) + counts
        trial = self._trial(note.pipeline)
        if trial is None:
            return
        is_taken = trial.takes(note.session)
        if trial.kind == "shadow":
            if is_taken:
                self._shadow.add(note, drawing)
        elif is_taken and note.version == trial.version:
            self._add(note.pipeline, trial, Counted(candidate=tally))
        elif not is_taken and note.version != trial.version and trial.against in (None, note.version):
            self._add(note.pipeline, trial, Counted(live=tally))

    def _agreed(self, note: Note, version: str, iou: float) -> None:
        trial = self._trial(note.pipeline)
        if trial is not None and trial.version == version:
            self._add(note.pipeline, trial, Counted(agreement=Agreement(objects=1, iou=iou)))

    def _add(self, pipeline: str | None, trial: Trial, counted: Counted) -> None:
        key = pipeline, trial.version
        self._of_trial[key] = self._of_trial.get(key, Counted()) + counted

    def _trial(self, pipeline: str | None) -> Trial | None:
        """The trial of a pipeline's model, as it was when the registry was last told."""
        if pipeline not in self._trials:
            model = self._models[pipeline]
            self._trials[pipeline] = model.trials.running(model.name)
        return self._trials[pipeline]

    def _tell(self) -> None:
        """Hand over what was counted; what cannot be is kept for the next time."""
        for pipeline in list(self._counts):
            model = self._models[pipeline]
            model.trials.count(model.name, self._counts[pipeline])
            del self._counts[pipeline]
        for pipeline, version in list(self._of_trial):
            model = self._models[pipeline]
            trial = model.trials.add(model.name, version, self._of_trial[pipeline, version])
            del self._of_trial[pipeline, version]
            if trial is not None and (outcome := model.trials.settle(model.name, trial)) is not None:
                fields = {"model_version": version, "outcome": outcome, "found": trial.sentence}
                log(_logger, logging.INFO, "trial ended", fields)
        self._trials.clear()
        self._told_trouble = ""

    def _trouble(self, sentence: str, fields: dict[str, object]) -> None:
        if sentence != self._told_trouble:
            log(_logger, logging.WARNING, sentence, fields)
        self._told_trouble = sentence
