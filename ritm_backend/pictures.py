"""Images of tasks: fetched, decoded within a budget of memory, and ready before the first click.

Label Studio asks for predictions when an annotator opens a task. The image is fetched then, in the background
and only while no click needs the processor, so that the first click finds it decoded.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from hashlib import sha256
from threading import Condition, Thread
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ritm_backend.logs import log, whereabouts
from ritm_backend.model_host import ModelHost, ModelUnavailableError
from ritm_backend.settings import Settings
from ritm_model.errors import RitmError
from ritm_model.inference.timing import Timings
from ritm_ops.admission import Resources
from ritm_ops.pictures import PictureFetcher

_MOST_AHEAD = 32  # tasks just opened; of more, the oldest are not worth it any more
_MOST_THREADS = 4  # one of them may wait for an image that comes slowly

_logger = logging.getLogger(__name__)


def image_key(task_id: int | None, reference: str) -> str:
    """Names an image of a task; the same reference in two tasks may mean two images."""
    return f"{task_id}:{sha256(reference.encode(errors='surrogatepass')).hexdigest()}"


class _Ahead(NamedTuple):
    """An image that is to be held soon, and who has opened its task."""

    host: ModelHost
    task_id: int | None
    reference: str
    owner: str


class Pictures:
    """Loads images. Thread-safe.

    Args:
        fetcher: gets their bytes.
        settings: of the server.
        resources: memory for decoding, and who waits.
    """

    def __init__(self, fetcher: PictureFetcher, settings: Settings, resources: Resources) -> None:
        self._fetcher = fetcher
        self._max_pixels = settings.image_max_pixels
        self._resources = resources
        self._ahead: OrderedDict[str, _Ahead] = OrderedDict()
        self._changed = Condition()
        self._threads = 0
        self._idle_threads = 0

    def load(
        self, reference: str, task_id: int | None, timings: Timings, deadline: float
    ) -> npt.NDArray[np.uint8]:
        """The pixels of an image.

        Args:
            reference: as the task names it.
            task_id: of the task.
            timings: receives the stages "fetch", "memory" and "decode".
            deadline: until when to wait for memory.

        Raises:
            FetchError, ImageError: there is no such image.
            BusyError: there was no memory for it in time.
        """
        with timings.stage("fetch"):
            data = self._fetcher.fetch(reference, task_id=task_id)
        return self._resources.decode(data, self._max_pixels, timings, deadline)

    def fetch_ahead(self, host: ModelHost, task_id: int | None, reference: str, owner: str) -> None:
        """Have the model of `host` hold an image soon, if there is nothing better to do; returns at once."""
        with self._changed:
            self._ahead[image_key(task_id, reference)] = _Ahead(host, task_id, reference, owner)
            while len(self._ahead) > _MOST_AHEAD:
                self._ahead.popitem(last=False)
            if self._idle_threads < len(self._ahead) and self._threads < _MOST_THREADS:
                Thread(target=self._run, name="fetch-ahead", daemon=True).start()
                self._threads += 1
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle_threads += 1
                self._changed.wait_for(lambda: self._ahead)
                self._idle_threads -= 1
                key, wanted = self._ahead.popitem()
            try:
                self._load_ahead(key, wanted)
            except (RitmError, MemoryError):
                continue  # the click will say so
            except Exception as error:  # noqa: BLE001  (the boundary of this thread)
                log(_logger, logging.WARNING, "image not fetched ahead", whereabouts(error))

    def _load_ahead(self, key: str, wanted: _Ahead) -> None:
        if self._resources.admission.waiting:
            return
        try:
            annotator = wanted.host.annotator()
        except ModelUnavailableError:
            return
        until = self._resources.admission.deadline()

        def load() -> npt.NDArray[np.uint8]:
            return self.load(wanted.reference, wanted.task_id, Timings(), until)

        annotator.image(key, load, wanted.owner)
