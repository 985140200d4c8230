"""The loop that owns all connections of a process, in one thread; others only work out answers.

So a client that is slow, in sending or in taking, costs some memory and nothing else. Bounds, beside the
deadlines of `connection.py`:

* Connections. When there are too many, one is closed of the address that has most of them: the one that has
  been there for longest of those that have done least.
* Bytes of bodies. Beyond them bodies wait in their clients until a request is answered; not those that one
  read may take, as clicks are. Where no request with a body is being worked on, the oldest body is read all
  the same, so that somebody gets on.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

from ritm_backend.front.connection import Connection, Deadlines, Gate, Phase
from ritm_backend.front.lanes import Lane
from ritm_backend.front.wsgi import ARRIVED, GONE, Answer, Application, ask, environment, with_body
from ritm_backend.logs import log, whereabouts

_PIECE = 1 << 18
_TICK_SECONDS = 0.25
_LEAST_DONE = (Phase.CLOSED, Phase.LINGER, Phase.HEAD, Phase.BODY, Phase.SENDING, Phase.READY)
_LATE_AT_ONCE = 16  # connections that are ended before others have their turn

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How much a process takes on.

    Attributes:
        connections: open at the same time.
        body_bytes: of bodies that are read or worked on.
        deadlines: how long everything may take.
    """

    connections: int = 4096
    body_bytes: int = 1 << 30
    deadlines: Deadlines = field(default_factory=Deadlines)


@dataclass(eq=False)
class _Client:
    socket: socket.socket
    peer: str
    state: Connection
    paused_at: float | None = None
    charged: int = 0
    """Bytes of its body that count."""
    is_listened_to: bool = True
    """While it waits for the answer: not once it has sent more, or has gone."""
    is_gone: bool = False


class Loop:
    """Serves an application on listening sockets. `turn` is to be called by one thread, again and again.

    Args:
        listeners: sockets that listen.
        application: answers, in threads of a lane.
        gate: says by its head which lane a request takes, and how much of its body.
        lanes: threads by name.
        bounds: how much is taken on.
        tell: gets the reason of each refusal: "slow", "large", "malformed" or "connections".
    """

    def __init__(
        self,
        listeners: list[socket.socket],
        application: Application,
        gate: Gate,
        lanes: Mapping[str, Lane],
        bounds: ConnectionLimits,
        tell: Callable[[str], None],
    ) -> None:
        self._application = application
        self._gate = gate
        self._lanes = lanes
        self._bounds = bounds
        self._tell = tell
        self._selector = selectors.DefaultSelector()
        self._clients: dict[_Client, None] = {}  # the oldest first
        self._paused: set[_Client] = set()
        self._held_bytes = 0
        self._answers: deque[tuple[_Client, Answer]] = deque()
        self._wakes, self._waker = socket.socketpair()
        self._wakes.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._wakes, selectors.EVENT_READ)
        self._listeners = listeners
        self._next_check = 0.0
        for listener in listeners:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ)

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not self._clients

    def stop_listening(self) -> None:
        """Take who has connected, and nobody any more."""
        for listener in self._listeners:
            self._selector.unregister(listener)
            while self._accept(listener):
                pass
            listener.close()
        self._listeners = []

    def close(self) -> None:
        """Drop whoever is there still; nothing may be asked of the loop afterwards."""
        for client in list(self._clients):
            self._drop(client)
        self._selector.close()
        self._wakes.close()
        self._waker.close()

    def wake(self) -> None:
        """End the wait of `turn`. May be called by any thread, and by a signal handler."""
        with contextlib.suppress(OSError):  # full: it is awake
            self._waker.send(b"\0")

    def turn(self) -> None:
        """Do what there is to do; wait for it a fraction of a second."""
        for key, _ in self._selector.select(min(_TICK_SECONDS, max(0.0, self._next_check - monotonic()))):
            if isinstance(key.data, _Client):
                self._guarded(key.data, self._serve)
            elif key.fileobj is self._wakes:
                with contextlib.suppress(BlockingIOError):
                    self._wakes.recv(4096)
            else:
                self._accept(key.fileobj)  # type: ignore[arg-type]  # one, so that processes share
        while self._answers:
            client, answer = self._answers.popleft()
            self._guarded(client, partial(self._respond, answer=answer))
        if self._paused:
            self._resume()
        if monotonic() >= self._next_check and not self._end_the_late():
            self._next_check = monotonic() + _TICK_SECONDS

    def _accept(self, listener: socket.socket) -> bool:
        try:
            accepted, address = listener.accept()
        except OSError:  # nobody is there any more, or there are too many files open
            return False
        accepted.setblocking(False)
        if accepted.family != socket.AF_UNIX:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = str(address[0]) if isinstance(address, tuple) else ""
        client = _Client(accepted, peer, Connection(self._gate, self._bounds.deadlines, monotonic()))
        self._clients[client] = None
        if len(self._clients) > self._bounds.connections:
            self._make_room()
        self._watch(client)
        return True

    def _make_room(self) -> None:
        (most, _), *_ = Counter(client.peer for client in self._clients).most_common(1)
        theirs = [client for client in self._clients if client.peer == most]
        self._tell("connections")
        self._drop(min(theirs, key=lambda client: _LEAST_DONE.index(client.state.phase)))

    def _guarded(self, client: _Client, step: Callable[[_Client], None]) -> None:
        """One step of a client; what goes wrong is the end of this connection alone."""
        try:
            if client in self._clients:
                step(client)
        except OSError:  # it is gone
            self._drop(client)
        except Exception as error:  # noqa: BLE001  (the boundary of the loop)
            log(_logger, logging.ERROR, "connection failed", whereabouts(error))
            self._drop(client)

    def _serve(self, client: _Client) -> None:
        state = client.state
        if state.outgoing:
            self._send(client)
        if state.wants_bytes and client.paused_at is None and client in self._clients:
            try:
                data = client.socket.recv(_PIECE)
            except BlockingIOError:
                pass
            else:
                state.receive(data, monotonic())
            self._charge(client, len(state.body))
        elif state.phase is Phase.READY and state.wanted is None:
            self._listen(client)
        self._go_on(client)

    def _listen(self, client: _Client) -> None:
        """Whether a client that waits for its answer has closed; what it sends is left where it is."""
        with contextlib.suppress(BlockingIOError):
            client.is_gone = not client.socket.recv(1, socket.MSG_PEEK)
            client.is_listened_to = False

    def _go_on(self, client: _Client) -> None:
        """After a step."""
        state = client.state
        if state.phase is Phase.READY and state.wanted is not None and not state.outgoing:
            self._hand_over(client)
        elif state.outgoing and state.phase is Phase.SENDING:
            self._send(client)
        if state.phase is Phase.CLOSED:
            self._drop(client)
        elif client in self._clients:
            if state.phase is Phase.BODY and self._held_bytes > self._bounds.body_bytes:
                self._pause(client)
            self._watch(client)

    def _hand_over(self, client: _Client) -> None:
        state = client.state
        head, wanted = state.head, state.wanted
        assert head is not None
        assert wanted is not None
        state.wanted = None  # handed over
        body, state.body = bytes(state.body), bytearray()  # which stays charged until it is answered
        self._lanes[wanted.lane].submit(client.peer, partial(self._work, client, body))

    def _work(self, client: _Client, body: bytes) -> None:
        """In a thread of a lane."""
        head = client.state.head
        assert head is not None
        try:
            server = client.socket.getsockname()
            environ = environment(head, client.peer, (str(server[0]), int(server[1])))
            environ[ARRIVED] = client.state.arrived
            environ[GONE] = lambda: client.is_gone
            with_body(environ, body, is_whole=head.length is None)
            answer = ask(self._application, environ)
        except Exception as error:  # noqa: BLE001  (the boundary of the thread)
            log(_logger, logging.ERROR, "request failed", whereabouts(error))
            headers = [("Content-Type", "application/json")]
            answer = Answer(500, "Internal Server Error", headers, b'{"error": "Something went wrong here."}')
        self._answers.append((client, answer))
        self.wake()

    def _respond(self, client: _Client, answer: Answer) -> None:
        self._charge(client, 0)
        client.state.respond(answer.status, answer.reason, answer.headers, answer.body, monotonic())
        self._go_on(client)

    def _send(self, client: _Client) -> None:
        with contextlib.suppress(BlockingIOError):
            count = client.socket.send(client.state.outgoing[:_PIECE])
            client.state.sent(count, monotonic())
        if client.state.phase is Phase.LINGER:
            client.socket.shutdown(socket.SHUT_WR)

    def _watch(self, client: _Client) -> None:
        events = 0
        waits = client.state.phase is Phase.READY and client.is_listened_to
        if waits or (client.state.wants_bytes and client.paused_at is None):
            events |= selectors.EVENT_READ
        if client.state.outgoing:
            events |= selectors.EVENT_WRITE
        known = self._selector.get_map().get(client.socket)
        if known is None and events:
            self._selector.register(client.socket, events, client)
        elif known is not None and not events:
            self._selector.unregister(client.socket)
        elif known is not None and known.events != events:
            self._selector.modify(client.socket, events, client)

    def _charge(self, client: _Client, count: int) -> None:
        self._held_bytes += count - client.charged
        client.charged = count

    def _pause(self, client: _Client) -> None:
        """Leave its bytes where they are, unless they are few, or nobody else gets on."""
        head = client.state.head
        is_small = head is not None and head.length is not None and head.length <= _PIECE
        if not is_small and client is not self._beyond_bound() and client.paused_at is None:
            client.paused_at = monotonic()
            self._paused.add(client)

    def _resume(self) -> None:
        chosen = self._beyond_bound()
        for client in list(self._paused):
            if (client is chosen or self._held_bytes <= self._bounds.body_bytes) and client.paused_at:
                client.state.postpone(monotonic() - client.paused_at)
                client.paused_at = None
                self._paused.discard(client)
                self._watch(client)

    def _beyond_bound(self) -> _Client | None:
        """Whose body is read although there are too many bytes: nobody's while an answer will free some."""
        if any(each.charged and each.state.phase is Phase.READY for each in self._clients):
            return None
        return next((each for each in self._clients if each.state.phase is Phase.BODY), None)

    def _end_the_late(self) -> bool:
        """Whether there are more than could be ended now."""
        now = monotonic()
        late = [each for each in self._clients if each.paused_at is None and now >= each.state.deadline]
        for client in late[:_LATE_AT_ONCE]:
            self._guarded(client, self._expire)
        return len(late) > _LATE_AT_ONCE

    def _expire(self, client: _Client) -> None:
        client.state.expire(monotonic())
        self._charge(client, len(client.state.body))
        self._go_on(client)

    def _drop(self, client: _Client) -> None:
        if client not in self._clients:
            return
        del self._clients[client]
        self._paused.discard(client)
        self._charge(client, 0)
        if client.state.fault:
            self._tell(client.state.fault)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(client.socket)
        client.socket.close()
