"""Threads that wait for a place, or for memory."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from threading import Event, current_thread, get_native_id

import numpy as np
import pytest
from PIL import Image
from processes import wait_until

from ritm_model.cpus import usable_cpus
from ritm_model.images import ImageError, Pixels, decode_image, decoding_bytes
from ritm_model.inference import Superseded
from ritm_model.inference.timing import Timings
from ritm_ops.admission import (
    Admission,
    BusyError,
    MemoryBudget,
    Requester,
    Resources,
    decode_within,
)
from ritm_ops.admission import resources as decoding
from ritm_ops.admission.low_priority import at_low_priority
from ritm_ops.admission.memory import decoding_budget, usable_memory

ANNA, BEN = Requester("studio", "1"), Requester("studio", "2")


def test_a_place_is_waited_for_and_given_back() -> None:
    admission = Admission(1, seconds=60)
    with ThreadPoolExecutor(1) as pool:
        with admission.place(ANNA):
            other = pool.submit(lambda: admission.place(BEN).__enter__())
            wait_until(lambda: admission.waiting == 1, "a request that waits", within_s=30)
        other.result(30)
    with (
        pytest.raises(BusyError, match="no place for this request within 60 seconds"),
        admission.place(ANNA, deadline=0),
    ):
        pass


def test_an_older_request_learns_at_once_that_a_newer_one_came() -> None:
    admission = Admission(1, seconds=60)

    def click() -> str:
        try:
            with admission.place(ANNA, "cat"):
                return "answered"
        except Superseded:
            return "superseded"

    with ThreadPoolExecutor(2) as pool:
        with admission.place(BEN):
            older = pool.submit(click)
            wait_until(lambda: admission.waiting == 1, "a request that waits", within_s=30)
            newer = pool.submit(click)
            assert older.result(30) == "superseded"
        assert newer.result(30) == "answered"


def test_memory_is_handed_out_in_order_and_never_more_than_there_is() -> None:
    budget = MemoryBudget(10)
    got: list[int] = []
    may_go = Event()

    def take(count: int) -> None:
        with budget.hold(count, float("inf")):
            got.append(count)
            may_go.wait(30)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(take, 6)
        wait_until(lambda: got == [6], "the first", within_s=30)
        large = pool.submit(take, 99)  # more than there is: it waits for all of it
        wait_until(lambda: len(budget._waiting) == 1, "the large one waits", within_s=30)
        small = pool.submit(take, 1)  # and nobody overtakes it
        wait_until(lambda: len(budget._waiting) == 2, "the small one waits", within_s=30)
        assert got == [6]
        may_go.set()
        for one in (first, large, small):
            one.result(30)
    assert got == [6, 99, 1]
    with budget.hold(10, float("inf")), pytest.raises(BusyError, match="no memory"), budget.hold(1, 0):
        pass
    with budget.hold(10, 0):  # all of it is back
        pass


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"memory.max": "max\n"}, None),
        ({"memory.max": "1073741824\n"}, 2**30),
        ({"memory/memory.limit_in_bytes": "1073741824\n"}, 2**30),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
    ],
)
def test_the_budget_follows_from_the_limit_of_the_container(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    machine = usable_memory(cgroup=Path("/nowhere"))
    assert usable_memory(cgroup=tmp_path) == (expected or machine)
    assert usable_memory(64, tmp_path) == 2**26
    assert decoding_budget(2**26) == 2**24


def test_an_image_that_takes_half_of_the_memory_is_refused() -> None:
    file = BytesIO()
    Image.new("L", (4000, 2000)).save(file, "PNG")
    needed = decoding_bytes(file.getvalue())
    enough, too_little = Resources.of(1, 1, needed * 2), Resources.of(1, 1, needed * 2 - 8)
    assert enough.decode(file.getvalue(), 10**8, Timings(), float("inf")).shape == (2000, 4000, 3)
    with pytest.raises(ImageError, match=r"takes \d+ MB to be decoded.*one may take \d+ MB; use a smaller"):
        too_little.decode(file.getvalue(), 10**8, Timings(), float("inf"))


def test_small_images_pass_large_ones_that_wait_for_memory() -> None:
    resources = Resources.of(1, 60, 2**28)  # a place, and 16 MB for small images
    small, large = png(400, 300), png(3000, 2000)

    def decode(data: bytes) -> int:
        with resources.admission.place(ANNA):
            return resources.decode(data, 10**8, Timings(), float("inf")).size

    with ThreadPoolExecutor(4) as pool:
        with resources.memory.hold(2**26, float("inf")):  # as a large one has that is being decoded
            waiting = [pool.submit(decode, large) for _ in range(3)]
            assert pool.submit(decode, small).result(60) == 400 * 300 * 3
            assert not any(one.done() for one in waiting)
        assert [one.result(60) for one in waiting] == [3000 * 2000 * 3] * 3
    with resources.admission.place(BEN, deadline=resources.admission.deadline()):  # given back once
        assert resources.admission.waiting == 0


def test_so_many_files_of_large_images_wait_without_a_place_and_no_more() -> None:
    resources = Resources.of(2, 60, 2**28)
    lane, data = resources.memory._large, png(3000, 2000)
    assert isinstance(lane, MemoryBudget)

    def decode(_: int) -> int:
        with resources.admission.place(ANNA):
            return resources.decode(data, 10**8, Timings(), float("inf")).size

    with ThreadPoolExecutor(3) as pool:
        with (
            resources.memory.hold(2**26, float("inf")),
            resources.files.hold(resources.files.total, float("inf")),
        ):
            waiting = [pool.submit(decode, number) for number in range(3)]
            wait_until(lambda: resources.admission.waiting == 2, "two without a place", within_s=30)
            wait_until(lambda: len(lane._waiting) == 1, "one with a place", within_s=30)
            assert resources.admission.waiting == 2
        assert [one.result(60) for one in waiting] == [3000 * 2000 * 3] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_what_takes_seconds_is_done_at_low_priority_by_half_of_the_processors() -> None:
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    most = max(1, usable_cpus() // 2)
    at_work: list[int] = []
    may_go = Event()

    def work() -> int:
        at_work.append(1)
        may_go.wait(60)
        return os.getpriority(os.PRIO_PROCESS, get_native_id())

    with ThreadPoolExecutor(most + 1) as pool:
        done = [pool.submit(at_low_priority, work) for _ in range(most + 1)]
        wait_until(lambda: len(at_work) == most, "threads at work", within_s=30)
        assert not any(one.done() for one in done)
        may_go.set()
        assert {one.result(60) for one in done} == {min(19, usual + 10)}
    assert os.getpriority(os.PRIO_PROCESS, 0) == usual


@pytest.mark.parametrize("large", [False, True])
def test_large_images_are_decoded_at_low_priority(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = png(40, 30)
    if large:
        monkeypatch.setattr(decoding, "LARGE_BYTES", decoding_bytes(data) - 1)
    threads = []

    def decode(data: bytes, *, max_pixels: int) -> Pixels:
        threads.append(current_thread().name)
        return decode_image(data, max_pixels=max_pixels)

    decode_within(MemoryBudget(2**20), data, Timings(), float("inf"), read=decode)
    assert [name.startswith("low-priority") for name in threads] == [large]


def png(width: int, height: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "RGB"), ("PNG", "RGBA"), ("PNG", "I;16"), ("TIFF", "RGB")]
)
def test_the_header_tells_how_much_memory_a_picture_takes(kind: str, mode: str) -> None:
    file = BytesIO()
    shape = (40, 50, {"RGB": 3, "RGBA": 4}.get(mode, 1))
    pixels = np.zeros(shape, np.uint16 if mode == "I;16" else np.uint8).squeeze()
    Image.fromarray(pixels).save(file, kind)
    assert decoding_bytes(file.getvalue()) >= 40 * 50 * 6
    with pytest.raises(ImageError, match="the limit is"):
        decoding_bytes(file.getvalue(), max_pixels=1999)
    with pytest.raises(ImageError):
        decoding_bytes(b"no picture")
