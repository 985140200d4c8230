"""Threads that answer requests, shared out among clients.

A thread may wait for long, for a place or for an image. So of the threads of a lane one client has no more
than a part, and where all are taken clients get the next free ones in turns: whoever has thousands of
requests waiting makes nobody else wait behind them.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from threading import Barrier, Lock

Work = Callable[[], object]


class Lane:
    """Does work in some threads. Thread-safe.

    Args:
        threads: do the work.
        count: of them.
    """

    def __init__(self, threads: Executor, count: int) -> None:
        self._threads = threads
        self._free = count
        self._each = max(1, count * 3 // 4)
        self._lock = Lock()
        self._waiting: OrderedDict[str, deque[Work]] = OrderedDict()  # who had a turn longest ago comes first
        self._working: Counter[str] = Counter()

    @classmethod
    def of(cls, count: int, name: str) -> Lane:
        """A lane whose threads are all there: later there may be no memory for one."""
        threads = ThreadPoolExecutor(count, thread_name_prefix=name)
        everybody = Barrier(count)
        wait([threads.submit(everybody.wait) for _ in range(count)])
        return cls(threads, count)

    def submit(self, client: str, work: Work) -> None:
        """Have some work of a client done, which must raise nothing."""
        with self._lock:
            self._waiting.setdefault(client, deque()).append(work)
            self._start()

    def _start(self) -> None:
        while self._free and (client := self._next()) is not None:
            queue = self._waiting[client]
            work = queue.popleft()
            self._waiting.move_to_end(client)
            if not queue:
                del self._waiting[client]
            self._free -= 1
            self._working[client] += 1
            self._threads.submit(self._do, client, work)

    def _next(self) -> str | None:
        return next((client for client in self._waiting if self._working[client] < self._each), None)

    def _do(self, client: str, work: Work) -> None:
        try:
            work()
        finally:
            with self._lock:
                self._free += 1
                self._working[client] -= 1
                if not self._working[client]:
                    del self._working[client]
                self._start()
