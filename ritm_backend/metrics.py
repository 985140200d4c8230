"""What Prometheus is told at /metrics; docs/operations.md lists every metric, which is tested.

Each application has its own registry. Where `ritm serve` runs several processes, they write to files of one
folder (`PROMETHEUS_MULTIPROC_DIR`, made by the server) and whichever is asked answers for all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from ritm_backend.pipelines import ModelHosts
from ritm_model.inference.timing import Timings
from ritm_ops.admission import Admission
from ritm_ops.request_metrics import RequestMetrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_UPDATE_SECONDS = 1.0
_ROUTES = (
    "/predict",
    "/setup",
    "/live",
    "/health",
    "/ready",
    "/versions",
    "/webhook",
    "/metrics",
    "/demo/click",
)

REASONS = (
    *("busy", "memory", "rate"),
    *("password", "host", "origin", "type", "large"),
    *("slow", "malformed", "connections"),
)
"""Why requests are refused."""

GaugeMode = Literal["livesum", "livemin", "livemax", "livemostrecent"]
JobCounts = Callable[[], Mapping[str, int]]


class Metrics:
    """Counts what the server does. Thread-safe.

    Args:
        hosts: whose models and memory are reported; whether the usual one is ready.
        admission: whose waiting requests are.
        jobs: fine-tuning jobs by state; asked each time Prometheus asks. Must neither raise nor wait.
    """

    def __init__(self, hosts: ModelHosts, admission: Admission, jobs: JobCounts | None = None) -> None:
        self._hosts = hosts
        self._admission = admission
        self._updated_at = float("-inf")
        self._versions: frozenset[str] = frozenset()
        self._jobs = jobs
        self._registry = registry = CollectorRegistry()
        self._asked = RequestMetrics(registry, REASONS)
        self._lost = Counter(
            "ritm_clicks_unanswered", "Clicks that got no mask; the log says why.", registry=registry
        )
        self._ready = self._gauge("ritm_ready", "1 when the model is loaded.", mode="livemin")
        self._model = self._gauge(
            "ritm_model_info", "1 for the model that answers.", "version", mode="livemax"
        )
        self._places = self._gauge("ritm_requests_waiting", "Requests that wait for a place.")
        self._waiting = self._gauge("ritm_clicks_waiting", "Clicks that wait for the network.")
        self._light = self._gauge("ritm_light", "1 while clicks are answered with less work.", mode="livemax")
        self._sessions = self._gauge("ritm_sessions", "Remembered states: one per click that may go on.")
        self._images = self._gauge("ritm_cached_images", "Decoded images held.")
        self._bytes = self._gauge("ritm_cache_bytes", "Memory of images and states.")
        self._job_states = self._gauge(
            "ritm_jobs", "Fine-tuning jobs in the queue, by state.", "state", mode="livemostrecent"
        )

    def answered(self, route: str, status: int, seconds: float) -> None:
        route = route if route in _ROUTES else "other"
        self._asked.answered(route, status, seconds)
        if monotonic() - self._updated_at > _UPDATE_SECONDS:
            self._update_gauges()  # whichever process is asked for all of them, each has said what it holds

    def clicked(self, clicks: int, timings: Timings) -> None:
        self._asked.clicked(clicks, timings)

    def failed(self) -> None:
        self._asked.failed()

    def refused(self, reason: str) -> None:
        self._asked.refused(reason)

    def unanswered(self, clicks: int) -> None:
        self._lost.inc(clicks)

    def page(self) -> bytes:
        """The answer to Prometheus."""
        self._update_gauges()
        for state, count in (self._jobs() if self._jobs else {}).items():
            self._job_states.labels(state).set(count)
        if FOLDER not in os.environ:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def _update_gauges(self) -> None:
        self._updated_at = monotonic()
        self._places.set(self._admission.waiting)
        self._ready.set(self._hosts.usual.is_ready)
        hosts = [host for host in self._hosts.held if host.is_ready]
        versions = frozenset(host.version for host in hosts)
        for version in self._versions | versions:
            self._model.labels(version).set(version in versions)
        self._versions = versions
        all_stats = [host.annotator().stats() for host in hosts]
        self._waiting.set(sum(stats.waiting for stats in all_stats))
        self._light.set(any(stats.is_light for stats in all_stats))
        self._sessions.set(sum(stats.cached_states for stats in all_stats))
        self._images.set(sum(stats.cached_images for stats in all_stats))
        self._bytes.set(sum(stats.cached_bytes for stats in all_stats))

    def _gauge(self, name: str, what: str, *labels: str, mode: GaugeMode = "livesum") -> Gauge:
        """A gauge, and how those of several processes become one."""
        return Gauge(name, what, labels, registry=self._registry, multiprocess_mode=mode)
