"""So many at a time, first come first served, and a newer request of a queue replaces the older ones."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ritm_model.errors import RitmError


class Superseded(RitmError):  # noqa: N818  (an outcome, not a fault)
    """A newer request of the same queue arrived while this one was waiting."""


@dataclass(eq=False)
class Ticket:
    """One request, from its arrival on; the lowest place in the queue goes first."""

    queue_key: str | None
    place: int
    superseded: bool = False
    running: bool = False
    called: threading.Event = field(default_factory=threading.Event)


class Turns:
    """Hands out turns. Newness counts from `arrive`, not from when a request begins to wait.

    A request that replaces others takes over their place in the queue, so clicking fast costs nobody
    their turn. One that needs several turns waits behind the others for each.

    Args:
        at_once: turns that may be held at the same time.
    """

    def __init__(self, at_once: int = 1) -> None:
        self._free = at_once
        self._lock = threading.Lock()
        self._tickets: list[Ticket] = []
        self._waiting: list[Ticket] = []
        self._places = itertools.count()

    @contextmanager
    def arrive(self, queue_key: str | None) -> Iterator[Ticket]:
        """Hold a ticket. Tickets with the same key that are not running yet become worthless."""
        with self._lock:
            ticket = Ticket(queue_key, next(self._places))
            for older in self._tickets:
                if queue_key is not None and older.queue_key == queue_key and not older.running:
                    older.superseded = True
                    older.called.set()
                    ticket.place = min(ticket.place, older.place)
            self._tickets.append(ticket)
        try:
            yield ticket
        finally:
            with self._lock:
                self._tickets.remove(ticket)

    @contextmanager
    def turn(self, ticket: Ticket) -> Iterator[None]:
        """Wait for the ticket's turn and hold it.

        Raises:
            Superseded: a newer ticket with the same key arrived before.
        """
        with self._lock:
            self._waiting.append(ticket)
            self._call_next()
        ticket.called.wait()
        with self._lock:
            if not ticket.running:
                self._waiting.remove(ticket)
                raise Superseded("A newer click of the same task has overtaken this one.")
        try:
            yield
        finally:
            with self._lock:
                self._free += 1
                ticket.running, ticket.place = False, next(self._places)
                if not ticket.superseded:
                    ticket.called.clear()
                self._call_next()

    def _call_next(self) -> None:
        """Give free turns away, and wake only who gets one: who wakes in vain slows the others down."""
        while self._free and (waiting := [each for each in self._waiting if not each.superseded]):
            ticket = min(waiting, key=lambda each: each.place)
            self._waiting.remove(ticket)
            self._free -= 1
            ticket.running = True
            ticket.called.set()

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        with self._lock:
            return len(self._waiting)
