"""Counts of requests and clicks for Prometheus, by the same names in every service.

So one dashboard and one set of alerts do for all of them; docs/operations.md lists the names.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from ritm_model.inference.timing import Timings

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30)


class RequestMetrics:
    """Counts what is asked and answered. Thread-safe.

    Args:
        registry: what the counts belong to.
        reasons: why requests may be refused. Each counts from 0, or Prometheus would not see the first one.
    """

    def __init__(self, registry: CollectorRegistry, reasons: Iterable[str]) -> None:
        self._requests = Counter(
            "ritm_requests", "Requests answered.", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "ritm_request_seconds", "Time to answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        self._stages = Histogram(
            "ritm_stage_seconds", "Time by stage of a click.", ["stage"], buckets=_SECONDS, registry=registry
        )
        self._clicks = Counter("ritm_clicks", "Clicks in answered requests.", registry=registry)
        self._faults = Counter("ritm_faults", "Requests that failed by a fault of ours.", registry=registry)
        self._refused = Counter("ritm_refused", "Requests refused.", ["reason"], registry=registry)
        for reason in reasons:
            self._refused.labels(reason)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request has got an answer, with a status as of HTTP."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def clicked(self, clicks: int, timings: Timings) -> None:
        """So many clicks have got a mask."""
        self._clicks.inc(clicks)
        for stage, milliseconds in timings.stages.items():
            self._stages.labels(stage).observe(milliseconds / 1000)

    def failed(self) -> None:
        """A request has failed by a fault of ours."""
        self._faults.inc()

    def refused(self, reason: str) -> None:
        """A request was refused."""
        self._refused.labels(reason).inc()
