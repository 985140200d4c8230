"""What Prometheus is told of the function and the agent, by the names that the backend uses.

Nuclio's workers, and agents beside each other, are processes that know nothing of each other. So each writes
what it counts to files of a folder of this machine or container, and whichever gets the port answers for all
of them. When it ends, another one takes the port.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Literal

from prometheus_client import CollectorRegistry, Gauge, Metric, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from cvat_serverless.interactor import Interactor
from ritm_model.inference.timing import Timings
from ritm_ops.environment import SettingsError
from ritm_ops.request_metrics import RequestMetrics

ROUTE = "cvat"
"""The `route` of all requests: both have but one."""

_AGAIN_SECONDS = 2.0

GaugeMode = Literal["livesum", "livemin", "livemax"]


class Metrics:
    """Counts what one process does. Thread-safe.

    Args:
        interactor: whose model and memory are told of.
    """

    def __init__(self, interactor: Interactor) -> None:
        self._interactor = interactor
        self._version = ""
        registry = CollectorRegistry()
        self._asked = RequestMetrics(registry, ["memory"])

        def gauge(name: str, what: str, *labels: str, mode: GaugeMode = "livesum") -> Gauge:
            return Gauge(name, what, labels, registry=registry, multiprocess_mode=mode)

        self._ready = gauge("ritm_ready", "1 when the model is loaded.", mode="livemin")
        self._model = gauge("ritm_model_info", "1 for the model that answers.", "version", mode="livemax")
        self._light = gauge("ritm_light", "1 while clicks are answered with less work.", mode="livemax")
        self._sessions = gauge("ritm_sessions", "Remembered states: one per click that may go on.")
        self._images = gauge("ritm_cached_images", "Decoded images held.")
        self._bytes = gauge("ritm_cache_bytes", "Memory of images and states.")
        self._ready.set(1)
        self.update()

    def answered(self, status: int, seconds: float) -> None:
        """A request has got an answer, with a status as of HTTP."""
        self._asked.answered(ROUTE, status, seconds)
        if status == 503:
            self._asked.refused("memory")
        elif status == 500:
            self._asked.failed()

    def clicked(self, clicks: int, timings: Timings) -> None:
        """So many clicks have got a mask."""
        self._asked.clicked(clicks, timings)

    def update(self) -> None:
        """Say what is held now; whichever process is asked knows of the others only what they have said."""
        annotator = self._interactor.annotator
        if annotator.version != self._version:
            if self._version:
                self._model.labels(self._version).set(0)
            self._version = annotator.version
        self._model.labels(self._version).set(1)
        stats = annotator.stats()
        self._light.set(stats.is_light)
        self._sessions.set(stats.cached_states)
        self._images.set(stats.cached_images)
        self._bytes.set(stats.cached_bytes)


class _AllProcesses(MultiProcessCollector):
    """What all processes of the folder have counted, and what those that live hold."""

    def __init__(self, folder: Path) -> None:
        super().__init__(None, str(folder))  # type: ignore[no-untyped-call]
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        for file in self._folder.glob("gauge_live*_*.db"):
            pid = file.stem.rpartition("_")[2]
            if not _lives(int(pid)):
                _forget(int(pid), self._folder)
        yield from super().collect()  # type: ignore[no-untyped-call]


def forget_own(folder: Path) -> None:
    """Drop what a process of the same number held: a container that is started again gives the same ones."""
    _forget(os.getpid(), folder)


def _forget(pid: int, folder: Path) -> None:
    mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def serve(port: int, folder: Path, *, is_alone: bool) -> None:
    """Answer `GET /metrics` for all processes of the folder, as soon as none of the others does.

    Args:
        port: of all addresses.
        folder: `PROMETHEUS_MULTIPROC_DIR` when prometheus-client was imported.
        is_alone: whether there are no others, so that a port that is taken is taken by somebody else.

    Raises:
        SettingsError: the port may not be used, or is taken by somebody else.
    """
    registry = CollectorRegistry()
    registry.register(_AllProcesses(folder))

    def wait() -> None:
        while not _listens(port, registry):
            sleep(_AGAIN_SECONDS)

    if not _listens(port, registry):
        if is_alone:
            raise SettingsError(f"RITM_METRICS_PORT cannot be used: {port} is taken by another program.")
        Thread(target=wait, name="metrics", daemon=True).start()


def _listens(port: int, registry: CollectorRegistry) -> bool:
    """Whether this process has got the port."""
    try:
        start_http_server(port, registry=registry)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise SettingsError(f"RITM_METRICS_PORT cannot be used: {port}, {error.strerror}.") from error
    return True
