"""Long sequences of clicks, and many that wait: how much work is done for them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from annotating import OPTIONS, A, B, C, Clock, D, Gate, assert_same_answer, random_image
from processes import wait_until

from ritm_model.clicks import Click
from ritm_model.inference import Annotator, Predictor, Prompt


def clicks_around(count: int) -> tuple[Click, ...]:
    return tuple(Click(20 + number % 60, 15 + number % 50, number % 3 != 1) for number in range(count))


@pytest.mark.parametrize(
    ("clicks", "known", "runs"), [(8, 0, 8), (60, 0, 8), (60, 1, 8), (60, 55, 5), (2, 0, 2)]
)
def test_a_long_sequence_takes_a_few_runs_of_the_network(annotator, engine, images, clicks, known, runs):
    clicks = clicks_around(clicks)
    annotator.segment(Prompt("cat", clicks[:known]), images.of("cat"))
    done = engine.runs
    assert annotator.segment(Prompt("cat", clicks), images.of("cat")).clicks == clicks
    assert engine.runs - done == runs
    further = (*clicks, A)
    assert annotator.segment(Prompt("cat", further), images.of("cat")).clicks == further
    assert annotator.segment(Prompt("cat", clicks[:-5]), images.of("cat")).clicks == clicks[:-5]
    assert engine.runs - done == runs + 1  # undone clicks are remembered


def test_of_a_long_sequence_the_first_click_and_the_last_ones_are_answered_one_by_one(
    annotator, predictor, images
):
    clicks = clicks_around(20)
    found = predictor.click(predictor.start(images.of("cat")()), clicks[0])
    expected = predictor.replay(predictor.click_together(found, clicks[1:14]), clicks[14:])
    assert_same_answer(annotator.segment(Prompt("cat", clicks), images.of("cat")), expected)


def test_a_long_sequence_lets_others_in_after_each_run(hrnet_engine):
    gate = Gate(hrnet_engine)
    annotator = Annotator(Predictor(gate, OPTIONS))
    with ThreadPoolExecutor(2) as pool:
        long = pool.submit(
            annotator.segment, Prompt("long", clicks_around(20)), lambda: random_image(1, 80, 80)
        )
        assert gate.entered.wait(60)
        other = pool.submit(annotator.segment, Prompt("other", (A,)), lambda: random_image(2, 60, 100))
        wait_until(lambda: annotator.stats().waiting == 1, "the other to wait", within_s=60)
        gate.open.set()
        assert len(long.result(60).clicks) == 20
        assert other.result(60).clicks == (A,)
    assert [index for index, shape in enumerate(gate.shapes) if shape[2] < shape[3]] == [1]


def test_clicks_that_wait_long_are_answered_with_less_work(hrnet_engine):
    gate, clock = Gate(hrnet_engine), Clock()
    both = replace(OPTIONS, with_flip=True)
    annotator = Annotator(Predictor(gate, both), light_after_seconds=0.3, clock=clock)
    image = random_image(1)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(annotator.segment, Prompt("cat", (A,)), lambda: image)
        assert gate.entered.wait(60)
        waiting = [pool.submit(annotator.segment, Prompt("cat", (each,)), lambda: image) for each in (B, C)]
        wait_until(lambda: annotator.stats().waiting == 2, "two to wait", within_s=60)
        assert not annotator.stats().is_light
        clock.now = 0.4
        gate.open.set()
        for each in (first, *waiting):
            each.result(60)
    assert [shape[0] for shape in gate.shapes] == [2, 1, 1]  # with the mirror image, without
    assert annotator.stats().is_light
    annotator.segment(Prompt("cat", (D,)), lambda: image)  # it waits for nobody
    assert gate.shapes[-1][0] == 2
    assert not annotator.stats().is_light


def test_annotators_of_one_engine_wait_for_each_other(hrnet_engine):
    gate, clock = Gate(hrnet_engine), Clock()
    both = replace(OPTIONS, with_flip=True)
    one = Annotator(Predictor(gate, both), light_after_seconds=0.3, clock=clock)
    other = one.beside(Predictor(gate, both), cache_bytes=1 << 20, ttl_seconds=60)
    image = random_image(1)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(one.segment, Prompt("cat", (A,)), lambda: image)
        assert gate.entered.wait(60)
        waiting = [pool.submit(other.segment, Prompt("cat", (each,)), lambda: image) for each in (B, C)]
        wait_until(lambda: one.stats().waiting == 2, "two to wait", within_s=60)
        clock.now = 0.4
        gate.open.set()
        for each in (first, *waiting):
            each.result(60)
    assert [shape[0] for shape in gate.shapes] == [2, 1, 1]
    assert one.stats().is_light


def test_all_runs_for_who_waited_in_a_queue_elsewhere_are_light(hrnet_engine):
    gate = Gate(hrnet_engine)
    gate.open.set()
    annotator = Annotator(Predictor(gate, replace(OPTIONS, with_flip=True)), light_after_seconds=0.3)
    image = random_image(1)
    annotator.segment(Prompt("cat", (A, B)), lambda: image, waited_seconds=1, others_wait=True)
    annotator.segment(Prompt("cat", (C,)), lambda: image)
    assert [shape[0] for shape in gate.shapes] == [1, 1, 2]


def test_who_waited_while_the_network_was_idle_does_not_change_the_answer(hrnet_engine):
    gate = Gate(hrnet_engine)
    gate.open.set()
    annotator = Annotator(Predictor(gate, replace(OPTIONS, with_flip=True)), light_after_seconds=0.3)
    annotator.segment(Prompt("cat", (A,)), lambda: random_image(1), waited_seconds=10)
    assert gate.shapes[0][0] == 2
