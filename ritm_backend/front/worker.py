"""Gunicorn's worker over our loop: gunicorn keeps the processes, this one's requests are kept by the loop."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Protocol

from gunicorn.workers.base import Worker

from ritm_backend.front.connection import Gate
from ritm_backend.front.lanes import Lane
from ritm_backend.front.loop import ConnectionLimits, Loop
from ritm_backend.front.wsgi import Application, Environment

_SECONDS_TO_END = 2.0  # gunicorn counts from the moment at which it tells us
_OTHER_FILES = 512  # models, caches, neighbours


class Leftovers(Protocol):
    """What answers leave to be done behind them."""

    def hurry(self) -> None:
        """The process is to end soon."""

    def finish(self, seconds: float, /) -> object:
        """Wait until nothing is left, or for so long."""


@dataclass(frozen=True)
class Site:
    """What a worker serves: an application and all that the loop has to know of it.

    Attributes:
        application: WSGI.
        gate: says by its head which lane a request takes.
        lanes: threads of each lane.
        bounds: how much is taken on.
        tell: gets the reason of each request that is refused before the application sees it.
        leftovers: done before the process ends, if there is time.
    """

    application: Application
    gate: Gate
    lanes: Mapping[str, int]
    bounds: ConnectionLimits
    tell: Callable[[str], None]
    leftovers: Leftovers

    def __call__(self, environ: Environment, start_response: Callable[..., object]) -> Iterable[bytes]:
        return self.application(environ, start_response)


class FrontWorker(Worker):  # type: ignore[misc]  # gunicorn has no types
    """A worker that no want of memory ends, and that loses nobody when it is told to stop."""

    wsgi: Site

    def run(self) -> None:
        site = self.wsgi
        lanes = {name: Lane.of(count, name) for name, count in site.lanes.items()}
        loop = Loop(
            [listener.sock if hasattr(listener, "sock") else listener for listener in self.sockets],
            site.application,
            site.gate,
            lanes,
            replace(site.bounds, connections=_connections(site.bounds.connections)),
            site.tell,
        )
        while self.alive and self.ppid == os.getppid():
            self.notify()
            loop.turn()
        loop.stop_listening()
        site.leftovers.hurry()
        latest = monotonic() + self.cfg.graceful_timeout
        while not loop.is_idle and monotonic() < latest:
            self.notify()
            loop.turn()
        loop.close()
        self.notify()
        site.leftovers.finish(latest - monotonic() - _SECONDS_TO_END)


def _connections(wanted: int) -> int:
    """As many as the limit of open files leaves, once it is raised as far as we may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard > soft:
        most = max(soft, wanted + _OTHER_FILES)
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(64, min(wanted, soft - _OTHER_FILES))
