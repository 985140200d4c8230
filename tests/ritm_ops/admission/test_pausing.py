"""Whoever waits for long for something outside gives the place to others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from processes import wait_until

from ritm_ops.admission import Admission, BusyError, Requester

ANNA, BEN, CARL = (Requester("studio", task) for task in "123")


def test_a_pause_that_is_too_long_gives_the_place_to_others() -> None:
    admission = Admission(1, seconds=60)
    is_pausing, fetched, is_back, may_end = Event(), Event(), Event(), Event()

    def slow() -> None:
        with admission.place(ANNA, "cat"):
            with admission.pausing(0.01):
                is_pausing.set()
                assert fetched.wait(60)
            is_back.set()
            assert may_end.wait(60)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(slow)
        assert is_pausing.wait(60)
        with admission.place(BEN):
            fetched.set()
            wait_until(lambda: admission.waiting == 1, "the first waits for a place again", within_s=30)
            assert not is_back.is_set()
        assert is_back.wait(60)
        may_end.set()
        first.result(60)
    with admission.place(CARL):  # and the place is back
        pass


def test_a_short_pause_changes_nothing() -> None:
    admission = Admission(1, seconds=60)
    with admission.place(ANNA):
        for _ in range(3):
            with admission.pausing(3600):
                pass
        with pytest.raises(BusyError), admission.place(BEN, deadline=0):
            pass
    with admission.pausing(0):  # without a place
        pass


def test_a_fault_in_a_pause_leaves_no_place_taken() -> None:
    admission = Admission(1, seconds=60)

    def fails() -> None:
        with admission.place(ANNA), admission.pausing(0.01):
            with ThreadPoolExecutor(1) as pool:
                pool.submit(lambda: admission.place(BEN).__enter__()).result(60)
            raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        fails()
    assert admission.waiting == 0
