"""Threads that clients share: nobody waits behind all that somebody else has asked."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore

import pytest

from ritm_backend.front.lanes import Lane

THREADS = 4


@pytest.fixture
def lane() -> Iterator[Lane]:
    with ThreadPoolExecutor(THREADS) as threads:
        yield Lane(threads, THREADS)


def test_one_client_leaves_threads_to_others(lane: Lane) -> None:
    begun, may_end, other = Semaphore(0), Event(), Event()

    def work() -> None:
        begun.release()
        may_end.wait(60)

    for _ in range(100):
        lane.submit("greedy", work)
    for _ in range(THREADS * 3 // 4):
        assert begun.acquire(timeout=60)
    lane.submit("other", other.set)
    assert other.wait(60)
    assert not begun.acquire(blocking=False)
    may_end.set()
    for _ in range(100 - THREADS * 3 // 4):
        assert begun.acquire(timeout=60)


def test_clients_take_turns_where_all_threads_are_taken() -> None:
    order: list[str] = []
    may_begin, done = Event(), Semaphore(0)
    with ThreadPoolExecutor(1) as threads:
        lane = Lane(threads, 1)
        lane.submit("first", lambda: may_begin.wait(60))

        def work(name: str) -> None:
            order.append(name)
            done.release()

        for client in ("a", "a", "a", "b", "b", "c"):
            lane.submit(client, lambda client=client: work(client))  # type: ignore[misc]
        may_begin.set()
        for _ in range(6):
            assert done.acquire(timeout=60)
    assert order == ["a", "b", "c", "a", "b", "a"]


def test_work_that_fails_gives_its_thread_back(lane: Lane) -> None:
    done = Event()

    def fail() -> None:
        raise ValueError

    for _ in range(2 * THREADS):
        lane.submit("one", fail)
    lane.submit("one", done.set)
    assert done.wait(60)
