"""Sessions: what is remembered, what is replayed, and that annotators never get each other's masks."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from annotating import (
    OPTIONS,
    A,
    B,
    C,
    Clock,
    D,
    Gate,
    Images,
    assert_same_answer,
    random_image,
    replayed,
    telling,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ritm_model.inference import Annotator, Box, Predictor, PredictorOptions, Prompt, Superseded, ZoomIn
from ritm_model.inference.sessions.cache import PackedState, fingerprint
from ritm_model.inference.timing import Timings


def test_one_more_click_is_one_run_of_the_network(annotator, engine, images):
    for count in range(1, 5):
        annotator.segment(Prompt("cat", (A, B, C, D)[:count]), images.of("cat"))
        assert engine.runs == count
    assert images.loads == ["cat"]


def test_the_same_request_again_runs_nothing(annotator, engine, images):
    first = annotator.segment(Prompt("cat", (A, B)), images.of("cat"))
    again = annotator.segment(Prompt("cat", (A, B)), images.of("cat"))
    assert_same_answer(again, first)
    assert engine.runs == 2
    assert annotator.stats().remembered == 1


def test_undo_is_remembered(annotator, engine, images):
    before = annotator.segment(Prompt("cat", (A, B)), images.of("cat"))
    annotator.segment(Prompt("cat", (A, B, C)), images.of("cat"))
    assert_same_answer(annotator.segment(Prompt("cat", (A, B)), images.of("cat")), before)
    assert engine.runs == 3


@pytest.mark.parametrize(
    ("earlier", "now", "runs"),
    [
        pytest.param((A, B, C), (A, replace(B, x=9), C), 2, id="dragged"),
        pytest.param((A, B, C), (A, C), 1, id="deleted"),
        pytest.param((A, B, C), (A, replace(B, is_positive=True), C), 2, id="sign changed"),
        pytest.param((A, B, C), (B, A, C), 3, id="other order"),
        pytest.param((A, B), (A, B, C, D), 2, id="two at once"),
        pytest.param((), (A, B, C), 3, id="restarted"),
    ],
)
def test_whatever_happened_before_the_mask_is_that_of_a_replay(
    annotator, predictor, engine, images, earlier, now, runs
):
    annotator.segment(Prompt("cat", earlier), images.of("cat"))
    done = engine.runs
    state = annotator.segment(Prompt("cat", now), images.of("cat"))
    assert engine.runs - done == runs
    assert_same_answer(state, replayed(predictor, images.of("cat")(), *now))


@settings(max_examples=15, deadline=None)
@given(
    requests=st.lists(
        st.tuples(
            st.sampled_from(["cat", "dog"]), st.lists(st.sampled_from([A, B, C]), max_size=3).map(tuple)
        ),
        min_size=1,
        max_size=6,
    ),
    cache_bytes=st.sampled_from([0, 30_000, 80_000, 1 << 20]),
)
def test_no_history_and_no_cache_size_changes_an_answer(hrnet_engine, requests, cache_bytes):
    small = replace(PredictorOptions.serving(), zoom_in=ZoomIn(target_size=32, skip_clicks=-1))
    predictor, images = Predictor(hrnet_engine, small), Images()
    annotator = Annotator(predictor, cache_bytes=cache_bytes)
    for key, clicks in requests:
        state = annotator.segment(Prompt(key, clicks), images.of(key))
        assert annotator.stats().cached_bytes <= cache_bytes
        assert_same_answer(state, replayed(predictor, images.of(key)(), *clicks))


def test_without_clicks_the_mask_comes_back_as_it_was_given(annotator, engine, images):
    mask = np.zeros((80, 100), bool)
    mask[20:50, 30:60] = True
    assert not annotator.segment(Prompt("cat"), images.of("cat")).mask.any()
    state = annotator.segment(Prompt("cat", mask=mask), images.of("cat"))
    np.testing.assert_array_equal(state.mask, mask)
    assert engine.runs == 0


@pytest.mark.parametrize("names", [("", ""), ("left", "right")], ids=["unnamed", "named"])
def test_masks_and_regions_begin_sessions_of_their_own(annotator, predictor, images, names):
    left, right = np.zeros((2, 80, 100), bool)
    left[20:60, 20:50] = True
    right[20:60, 50:80] = True
    region = Box(10, 10, 70, 70)
    image = images.of("cat")()
    for _ in range(2):
        for prompt, expected in [
            (Prompt("cat", (A, B)), replayed(predictor, image, A, B)),
            (Prompt("cat", (A, B), left, names[0]), replayed(predictor, image, A, B, mask=left)),
            (Prompt("cat", (A, B), right, names[1]), replayed(predictor, image, A, B, mask=right)),
            (
                Prompt("cat", (A, B), left, names[0], keep_mask=False),
                replayed(predictor, image, A, B, mask=left, keep_mask=False),
            ),
            (Prompt("cat", (A, B), region=region), replayed(predictor, image, A, B, region=region)),
        ]:
            assert_same_answer(annotator.segment(prompt, images.of("cat")), expected)
    assert annotator.stats().cached_states == 10
    assert annotator.stats().remembered == 5


def test_annotators_on_different_images_never_mix(predictor, engine, images):
    keys = [f"image {i}" for i in range(8)]
    expected = {key: replayed(predictor, images.of(key)(), A, B, C) for key in keys}
    engine.most_at_once = 0
    annotator = Annotator(predictor)
    barrier = threading.Barrier(len(keys))

    def annotate(key):
        barrier.wait()
        return [
            annotator.segment(Prompt(key, (A, B, C)[:n], queue_key=key), images.of(key)) for n in (1, 2, 3)
        ]

    with ThreadPoolExecutor(len(keys)) as pool:
        answers = dict(zip(keys, pool.map(annotate, keys), strict=True))
    for key in keys:
        assert_same_answer(answers[key][-1], expected[key])
        np.testing.assert_array_equal(answers[key][-1].image, images.of(key)())
    assert engine.most_at_once == 1
    assert annotator.stats().clicks_run == 3 * len(keys)


def test_an_image_is_loaded_once_however_many_ask(annotator):
    asking, loads = threading.Barrier(5), []

    def load():
        loads.append(1)
        asking.wait()  # the four others have come so far as to ask, or to wait for these pixels
        return random_image(1)

    def ask(_):
        asking.wait()
        return annotator.image("cat", pytest.fail)

    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(annotator.image, "cat", load)
        others = list(pool.map(ask, range(4)))
        assert all(image is first.result() for image in others)
    assert loads == [1]


def test_pixels_are_read_only(annotator, images):
    image = annotator.image("cat", images.of("cat"))
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 0


def test_a_failed_load_is_told_to_all_and_not_remembered(annotator, images):
    def fail():
        raise OSError("the disk is gone")

    for _ in range(2):
        with pytest.raises(OSError, match="disk is gone"):
            annotator.segment(Prompt("cat", (A,)), fail)
    assert annotator.segment(Prompt("cat", (A,)), images.of("cat")).clicks == (A,)


def test_the_least_recently_used_image_leaves_first(predictor, images):
    image_bytes = random_image(0).nbytes
    annotator = Annotator(predictor, cache_bytes=3 * image_bytes)
    for key in ("a", "b", "c"):
        annotator.image(key, images.of(key))
    annotator.image("a", images.of("a"))
    annotator.image("d", images.of("d"))
    assert annotator.stats().cached_bytes == 3 * image_bytes
    annotator.image("a", images.of("a"))
    assert images.loads == ["a", "b", "c", "d"]
    annotator.image("b", images.of("b"))
    assert images.loads[-1] == "b"


def test_an_image_alone_gives_up_its_oldest_states_first(predictor, engine, images):
    image = images.of("cat")()
    states = [replayed(predictor, image, *(A, B, C)[:n]) for n in (1, 2, 3)]
    sizes = [PackedState.of(state).nbytes for state in states]
    annotator = Annotator(predictor, cache_bytes=image.nbytes + sizes[1] + sizes[2])
    annotator.segment(Prompt("cat", (A, B, C)), images.of("cat"))
    assert annotator.stats().cached_states == 2
    done = engine.runs
    annotator.segment(Prompt("cat", (A, B)), images.of("cat"))
    assert engine.runs == done
    annotator.segment(Prompt("cat", (A,)), images.of("cat"))
    assert engine.runs == done + 1


OTHERS = tuple("abcdefghijkl")


@pytest.fixture
def small_annotator(predictor):
    """One that holds as many images as there are `OTHERS`, if there are no states."""
    return Annotator(predictor, cache_bytes=len(OTHERS) * random_image(0).nbytes)


def test_states_outlive_the_pixels_that_they_were_made_on(small_annotator, predictor, engine, images):
    before = small_annotator.segment(Prompt("cat", (A, B)), images.of("cat"))
    for key in OTHERS:
        small_annotator.image(key, images.of(key))
    after = small_annotator.segment(Prompt("cat", (A, B, C)), images.of("cat"))
    assert images.loads == ["cat", *OTHERS, "cat"]
    assert engine.runs == 3
    assert_same_answer(after, replayed(predictor, images.of("cat")(), A, B, C))
    assert_same_answer(small_annotator.segment(Prompt("cat", (A, B)), images.of("cat")), before)


@pytest.mark.parametrize("size", [(80, 100), (81, 100), (8, 10)])
def test_states_are_not_given_for_another_image_under_the_same_name(small_annotator, predictor, images, size):
    small_annotator.segment(Prompt("cat", (A,)), images.of("cat"))
    for key in OTHERS:
        small_annotator.image(key, images.of(key))
    other = random_image(7, *size)
    assert_same_answer(
        small_annotator.segment(Prompt("cat", (A,)), lambda: other), replayed(predictor, other, A)
    )


def test_other_pixels_have_other_fingerprints():
    image = random_image(1, 480, 640)
    darker = image // 2
    assert fingerprint(image) == fingerprint(image.copy()) == fingerprint(np.asfortranarray(image))
    found = {fingerprint(one) for one in (image, darker, image[:-1], image[:, :-1], image[::-1])}
    assert len(found) == 5


def test_states_without_pixels_leave_room_for_images(small_annotator, images):
    for number in range(30):
        small_annotator.segment(Prompt(f"{number}", (A, B, C)), images.of(f"{number}"))
        assert small_annotator.stats().cached_bytes <= len(OTHERS) * random_image(0).nbytes
    assert small_annotator.stats().cached_images >= 2


def test_whoever_holds_most_makes_room_for_others(predictor, images):
    annotator = Annotator(predictor, cache_bytes=10 * random_image(0).nbytes)
    for key in ("a", "b", "c"):
        annotator.image(key, images.of(key), "anna")
    for number in range(100):
        annotator.image(f"flood {number}", images.of(f"flood {number}"), "somebody")
    loads = len(images.loads)
    for key in ("a", "b", "c"):
        annotator.image(key, images.of(key), "anna")
    assert len(images.loads) == loads


def test_a_cache_smaller_than_the_image_still_answers(predictor, engine, images):
    annotator = Annotator(predictor, cache_bytes=10)
    for _ in range(2):
        annotator.segment(Prompt("cat", (A, B)), images.of("cat"))
    assert engine.runs == 4
    assert annotator.stats().cached_bytes == 0


def test_unused_images_leave_in_time(predictor, engine, images):
    clock = Clock()
    annotator = Annotator(predictor, ttl_seconds=60, clock=clock)
    annotator.segment(Prompt("cat", (A,)), images.of("cat"))
    clock.now = 59
    annotator.segment(Prompt("cat", (A, B)), images.of("cat"))
    assert engine.runs == 2
    clock.now = 59 + 60
    assert annotator.stats().cached_images == 0
    assert annotator.stats().cached_bytes == 0
    annotator.segment(Prompt("cat", (A, B)), images.of("cat"))
    assert engine.runs == 4


def test_a_newer_request_overtakes_those_that_wait(engine):
    gate = Gate(engine)
    annotator = Annotator(Predictor(gate, OPTIONS))
    image = random_image(3)
    arrived = {name: threading.Event() for name in ("old", "other", "new")}

    def ask(name, clicks, queue_key):
        prompt = Prompt(name, clicks, queue_key=queue_key)
        return pool.submit(annotator.segment, prompt, telling(arrived[name], image))

    with ThreadPoolExecutor(4) as pool:
        running = pool.submit(annotator.segment, Prompt("run", (A,), queue_key="task 1"), lambda: image)
        assert gate.entered.wait(60)
        old = ask("old", (A, B), "task 1")
        assert arrived["old"].wait(60)
        other = ask("other", (A, B), "task 2")
        assert arrived["other"].wait(60)
        new = ask("new", (A, B, C), "task 1")
        with pytest.raises(Superseded, match="overtaken"):
            old.result(60)  # at once, although the network is still busy
        gate.open.set()
        assert running.result(60).clicks == (A,)  # what runs is not interrupted
        assert other.result(60).clicks == (A, B)
        assert new.result(60).clicks == (A, B, C)
    assert engine.runs == 1 + 2 + 3
    assert annotator.stats().waiting == 0


def test_the_newer_request_wins_even_if_the_older_is_still_loading_its_image(annotator, images):
    loading, go_on = threading.Event(), threading.Event()

    def slow():
        loading.set()
        assert go_on.wait(60)
        return random_image(1)

    with ThreadPoolExecutor(1) as pool:
        old = pool.submit(annotator.segment, Prompt("cat", (A,), queue_key="task"), slow)
        assert loading.wait(60)
        new = annotator.segment(Prompt("dog", (A, B), queue_key="task"), images.of("dog"))
        go_on.set()
        with pytest.raises(Superseded):
            old.result(60)
    assert new.clicks == (A, B)


def test_newness_counts_from_the_ticket(annotator, images):
    load = images.of("cat")
    with annotator.arrive("task") as older:
        with annotator.arrive("task") as newer:
            assert annotator.segment(Prompt("cat", (A, B)), load, ticket=newer).clicks == (A, B)
        with pytest.raises(Superseded):
            annotator.segment(Prompt("cat", (A, C)), load, ticket=older)


def test_without_queue_keys_everybody_is_answered(engine):
    gate = Gate(engine)
    annotator = Annotator(Predictor(gate, OPTIONS))
    with ThreadPoolExecutor(3) as pool:
        answers = [
            pool.submit(annotator.segment, Prompt("cat", (c,)), lambda: random_image(1)) for c in (A, B, C)
        ]
        assert gate.entered.wait(60)
        gate.open.set()
        assert [answer.result(60).clicks for answer in answers] == [(A,), (B,), (C,)]


def test_a_failing_run_passes_the_turn_on(predictor, images):
    annotator = Annotator(predictor)
    wrong = Prompt("cat", (A,), mask=np.zeros((3, 3), bool))
    with pytest.raises(Exception, match="mask is 3 x 3"):
        annotator.segment(wrong, images.of("cat"))

    class Broken:
        name, with_prev_mask = "broken", True

        def run(self, image_BCHW, points_BP3):
            raise RuntimeError("out of memory")

    broken = Annotator(Predictor(Broken(), OPTIONS))
    for _ in range(2):
        with pytest.raises(RuntimeError, match="out of memory"):
            broken.segment(Prompt("cat", (A,)), images.of("cat"))


def test_stages_are_timed_and_the_version_is_the_engines(annotator, engine, images):
    timings = Timings()
    annotator.segment(Prompt("cat", (A,)), images.of("cat"), timings)
    assert set(timings.stages) == {"queue", "crop", "network", "paste"}
    assert annotator.version == engine.name
