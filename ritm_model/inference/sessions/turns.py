"""So many at a time, first come first served, and a newer request of a queue replaces the older ones."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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


class Turns:
    """Hands out turns. Newness counts from `arrive`, not from when a request begins to wait.

    A request that replaces others takes over their place in the queue, so clicking fast costs nobody
    their turn. One that needs several turns waits behind the others for each.

    Args:
        at_once: turns that may be held at the same time.
    """

    def __init__(self, at_once: int = 1) -> None:
        self._free = at_once
        self._changed = threading.Condition()
        self._tickets: list[Ticket] = []
        self._waiting: list[Ticket] = []
        self._places = itertools.count()

    @contextmanager
    def arrive(self, queue_key: str | None) -> Iterator[Ticket]:
        """Hold a ticket. Tickets with the same key that are not running yet become worthless."""
        with self._changed:
            ticket = Ticket(queue_key, next(self._places))
            for older in self._tickets:
                if queue_key is not None and older.queue_key == queue_key and not older.running:
                    older.superseded = True
                    ticket.place = min(ticket.place, older.place)
            self._tickets.append(ticket)
            self._changed.notify_all()
        try:
            yield ticket
        finally:
            with self._changed:
                self._tickets.remove(ticket)

    @contextmanager
    def turn(self, ticket: Ticket) -> Iterator[None]:
        """Wait for the ticket's turn and hold it.

        Raises:
            Superseded: a newer ticket with the same key arrived before.
        """
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: ticket.superseded or self._is_next(ticket))
            finally:
                self._waiting.remove(ticket)
                # Whoever waited behind a ticket that gave up may be first now.
                self._changed.notify_all()
            if ticket.superseded:
                raise Superseded("A newer click of the same task has overtaken this one.")
            ticket.running = True
            self._free -= 1
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                ticket.running, ticket.place = False, next(self._places)
                self._changed.notify_all()

    def _is_next(self, ticket: Ticket) -> bool:
        return self._free > 0 and ticket.place == min(other.place for other in self._waiting)

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        with self._changed:
            return len(self._waiting)
