"""Whose turn it is, as plain data: nothing here waits, locks or looks at a clock.

The discipline. So many requests have a place at the same time, the others wait. A free place goes to the
client that got one longest ago (a client is an address), and there to the annotator
that got one longest ago; of each annotator's requests to the oldest. One annotator has no more than a share
of the places, so somebody who asks without pause slows down nobody else.

Of waiting requests for the same object only the newest is answered. It takes the place in the queue of those
that it replaces: clicking fast costs nobody a turn.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple


class Requester(NamedTuple):
    """Whose request it is.

    Attributes:
        client: its address.
        task: what tells annotators of one client from each other, since Label Studio asks for all of them.
    """

    client: str
    task: str = ""


class Standing(Enum):
    WAITS = auto()
    HAS_PLACE = auto()
    SUPERSEDED = auto()
    TOO_LATE = auto()
    GONE = auto()


@dataclass(eq=False)
class Request:
    """One request from when it joins until it leaves.

    Attributes:
        annotator: whose it is.
        object: names what is clicked; None for what nothing newer replaces.
        deadline: when it is of no use any more to let it wait.
        standing: what has become of it.
    """

    annotator: Requester
    object: str | None
    deadline: float
    standing: Standing = Standing.WAITS


class FairQueue:
    """See the module. Not thread-safe.

    Args:
        places: requests that have a place at the same time.
        each: places that one annotator may have.
    """

    def __init__(self, places: int, each: int) -> None:
        self._free = places
        self._each = each
        self._waiting: OrderedDict[str, OrderedDict[Requester, deque[Request]]] = OrderedDict()
        self._placed: dict[Requester, int] = {}
        self._count = 0

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return self._count

    def join(
        self, annotator: Requester, object: str | None, deadline: float
    ) -> tuple[Request, list[Request]]:
        """A new request, and those that it has superseded."""
        request = Request(annotator, object, deadline)
        queue = self._waiting.setdefault(annotator.client, OrderedDict()).setdefault(annotator, deque())
        older = [other for other in queue if object is not None and other.object == object]
        queue.insert(queue.index(older[0]) if older else len(queue), request)
        for other in older:
            queue.remove(other)
            other.standing = Standing.SUPERSEDED
        self._count += 1 - len(older)
        return request, older

    def admit(self, now: float) -> list[Request]:
        """Give the free places away; all whose standing has changed, also those who are too late."""
        changed = self._drop_late(now)
        while self._free > 0:
            request = self._next()
            if request is None:
                break
            request.standing = Standing.HAS_PLACE
            self._free -= 1
            self._placed[request.annotator] = self._placed.get(request.annotator, 0) + 1
            changed.append(request)
        return changed

    def leave(self, request: Request) -> None:
        """A request was answered, or nobody waits for it any more."""
        if request.standing is Standing.HAS_PLACE:
            self._free += 1
            self._placed[request.annotator] -= 1
            if not self._placed[request.annotator]:
                del self._placed[request.annotator]
        elif request.standing is Standing.WAITS:
            self._remove(request)
        request.standing = Standing.GONE

    def _next(self) -> Request | None:
        for client, annotators in self._waiting.items():
            for annotator, queue in annotators.items():
                if self._placed.get(annotator, 0) < self._each:
                    request = queue[0]
                    annotators.move_to_end(annotator)
                    self._waiting.move_to_end(client)
                    self._remove(request)
                    return request
        return None

    def _drop_late(self, now: float) -> list[Request]:
        late = [request for request in self._all() if request.deadline <= now]
        for request in late:
            self._remove(request)
            request.standing = Standing.TOO_LATE
        return late

    def _remove(self, request: Request) -> None:
        client, annotator = request.annotator.client, request.annotator
        queue = self._waiting[client][annotator]
        queue.remove(request)
        self._count -= 1
        if not queue:
            del self._waiting[client][annotator]
        if not self._waiting[client]:
            del self._waiting[client]

    def _all(self) -> list[Request]:
        return [
            request
            for annotators in self._waiting.values()
            for queue in annotators.values()
            for request in queue
        ]
