"""Sessions across processes: what one annotator leaves in Redis another goes on from; nonsense stays out."""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis as Client
from redis_server import Redis, redis_server

from ritm_model.clicks import Click
from ritm_model.errors import RitmError
from ritm_model.inference import Annotator, Predictor, PredictorOptions, Prompt, State, ZoomIn
from ritm_model.inference.sessions.state_codec import (
    StateBytesError,
    decode_state,
    encode_state,
    rounded,
)
from ritm_ops.redis_states import RedisStates

OPTIONS = replace(PredictorOptions.serving(), zoom_in=ZoomIn(target_size=64, skip_clicks=-1))
CLICKS = (Click(40, 40), Click(5.5, 5, False), Click(60, 30))
IMAGE = np.random.default_rng(3).integers(0, 256, (80, 100, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with tempfile.TemporaryDirectory(prefix="redis") as folder, redis_server(Path(folder)) as redis:
        yield redis


@pytest.fixture
def predictor(engine) -> Predictor:
    return Predictor(engine, OPTIONS)


def states(redis: Redis, version: str) -> RedisStates:
    return RedisStates(redis.url, version, ttl_seconds=60)


def ask(annotator: Annotator, clicks: tuple[Click, ...], **prompt: object) -> State:
    return annotator.segment(Prompt("photo", clicks, **prompt), lambda: IMAGE)


def assert_equal(state: State, expected: State) -> None:
    np.testing.assert_array_equal(state.mask, expected.mask)
    np.testing.assert_array_equal(state.probability, expected.probability)
    assert (state.clicks, state.roi, state.score) == (expected.clicks, expected.roi, expected.score)


@pytest.fixture
def given_mask() -> np.ndarray:
    mask = np.zeros(IMAGE.shape[:2], bool)
    mask[20:50, 30:70] = True
    return mask


@pytest.mark.parametrize("start", ["from nothing", "from a mask", "from a guess"])
def test_a_state_comes_back_equal_and_goes_on_equally(predictor, given_mask, start) -> None:
    mask = None if start == "from nothing" else given_mask
    state = predictor.start(IMAGE, mask, keep_mask=start == "from a mask")
    for click in CLICKS:
        exact = predictor.click(state, click)
        data, state = encode_state(exact), rounded(exact)
        assert data is not None
        back = decode_state(data, IMAGE, state.clicks)
        assert_equal(back, state)
        np.testing.assert_array_equal(state.mask, exact.mask)
        assert np.abs(state.probability - exact.probability).max() <= 0.5001 / 63
        assert len(data) < exact.prediction.soft.values_hw.size + 1000, "a byte for each probability at most"
        more = Click(50, 60)
        assert_equal(predictor.click(back, more), predictor.click(state, more))


def test_a_state_without_an_answer_is_not_shared(predictor) -> None:
    assert encode_state(predictor.start(IMAGE)) is None


@pytest.fixture(scope="module")
def encoded(hrnet_engine) -> bytes:
    predictor = Predictor(hrnet_engine, OPTIONS)
    data = encode_state(predictor.replay(predictor.start(IMAGE), CLICKS))
    assert data is not None
    return data


def forged(data: bytes, **changes: object) -> bytes:
    end = 8 + int.from_bytes(data[4:8], "big")
    head = json.dumps(json.loads(data[8:end]) | changes).encode()
    return data[:4] + len(head).to_bytes(4, "big") + head + data[end:]


@pytest.mark.parametrize(
    "changes",
    [
        {"frame": [8, 8]},
        {"values": [10**9, 10**9]},
        {"values": [3, 3]},
        {"values_roi": [0, 500, 0, 10]},
        {"mask_roi": [5, 4, 0, 0]},
        {"roi": [0, 1, 0, 100]},
        {"kind": "object"},
        {"score": "nan"},
        {"from_mask": 2},
        {"another": 1},
    ],
    ids=str,
)
def test_a_poisoned_state_is_refused(encoded: bytes, changes: dict[str, object]) -> None:
    with pytest.raises(StateBytesError):
        decode_state(forged(encoded, **changes), IMAGE, CLICKS)


def test_a_state_that_unpacks_to_gigabytes_is_refused_early(encoded: bytes) -> None:
    end = 8 + int.from_bytes(encoded[4:8], "big")
    with pytest.raises(StateBytesError, match="not as long"):
        decode_state(encoded[:end] + zlib.compress(bytes(50_000_000)), IMAGE, CLICKS)


def test_numbers_that_are_no_probabilities_are_refused(encoded: bytes) -> None:
    with pytest.raises(StateBytesError, match="no probabilities"):
        decode_state(forged(encoded, kind="bool"), IMAGE, CLICKS)
    end = 8 + int.from_bytes(encoded[4:8], "big")
    body = b"\xff" + zlib.decompress(encoded[end:])[1:]
    with pytest.raises(StateBytesError, match="no probabilities"):
        decode_state(encoded[:end] + zlib.compress(body), IMAGE, CLICKS)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_refused_or_changes_only_the_mask(encoded: bytes, data: st.DataObject) -> None:
    damaged = bytearray(encoded)
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    for bad in (bytes(damaged), cut):
        try:
            state = decode_state(bad, IMAGE, CLICKS)
        except StateBytesError:
            continue
        assert state.mask.shape == IMAGE.shape[:2]


@pytest.mark.e2e
def test_two_processes_that_take_turns_run_each_click_once(redis, predictor, engine) -> None:
    version = "turns"
    first = Annotator(predictor, shared=states(redis, version))
    second = Annotator(predictor, shared=states(redis, version))
    alone = Annotator(Predictor(engine.engine, OPTIONS), shared=states(redis, "alone"))
    for count in range(1, 4):
        annotator = first if count % 2 else second
        assert_equal(ask(annotator, CLICKS[:count]), ask(alone, CLICKS[:count]))
        assert engine.runs == count


@pytest.mark.e2e
def test_other_weights_images_and_masks_are_not_mixed_up(redis, predictor, engine, given_mask) -> None:
    ask(Annotator(predictor, shared=states(redis, "one")), CLICKS)
    runs = engine.runs
    ask(Annotator(predictor, shared=states(redis, "other")), CLICKS)
    assert engine.runs == runs + 3
    another = np.ascontiguousarray(IMAGE[::-1])
    Annotator(predictor, shared=states(redis, "one")).segment(Prompt("photo", CLICKS), lambda: another)
    assert engine.runs == runs + 6
    from_mask = ask(Annotator(predictor, shared=states(redis, "one")), CLICKS, mask=given_mask)
    assert engine.runs == runs + 9
    expected = predictor.start(IMAGE, given_mask)
    for click in CLICKS:
        expected = rounded(predictor.click(expected, click))
    assert_equal(from_mask, expected)


@pytest.mark.e2e
def test_the_last_two_states_of_an_object_are_kept(redis, predictor, engine) -> None:
    first, second = (Annotator(predictor, shared=states(redis, "few")) for _ in range(2))
    with Client.from_url(redis.url) as client:
        before = client.dbsize()
        for count in range(1, 4):
            ask(first, CLICKS[:count])
        assert client.dbsize() == before + 2
    runs = engine.runs
    undone = ask(second, CLICKS[:2])
    assert engine.runs == runs
    assert_equal(undone, ask(first, CLICKS[:2]))
    ask(second, CLICKS[:1])  # further back, clicks are replayed
    assert engine.runs == runs + 1


@pytest.mark.e2e
def test_nonsense_in_redis_costs_a_replay_only(redis, predictor, engine, caplog) -> None:
    expected = ask(Annotator(predictor, shared=states(redis, "nonsense")), CLICKS)
    with Client.from_url(redis.url) as client:
        for key in client.keys("ritm:state:*"):
            client.set(key, b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    assert_equal(ask(Annotator(predictor, shared=states(redis, "nonsense")), CLICKS), expected)
    assert "left unused" in caplog.text


@pytest.mark.e2e
def test_without_redis_clicks_are_answered_and_it_is_left_alone_for_a_while(
    tmp_path_factory, predictor, engine, caplog
) -> None:
    now = [0.0]
    with tempfile.TemporaryDirectory(prefix="redis") as folder, redis_server(Path(folder)) as redis:
        shared = RedisStates(redis.url, "gone", ttl_seconds=60, clock=lambda: now[0])
        annotator = Annotator(predictor, shared=shared)
        ask(annotator, CLICKS[:1])
        redis.kill()
        ask(annotator, CLICKS[:2])
        ask(annotator, CLICKS)
        assert caplog.text.count("Redis failed") == 1
        redis.start()
        now[0] = 60.0
        ask(annotator, (*CLICKS, Click(50, 60)))
        runs = engine.runs
        ask(Annotator(predictor, shared=states(redis, "gone")), (*CLICKS, Click(50, 60)))
        assert engine.runs == runs


def test_a_wrong_address_is_one_sentence_without_the_password() -> None:
    with pytest.raises(RitmError, match="SESSION_STORE") as caught:
        RedisStates("http://:secret@host", "v", ttl_seconds=60)
    assert "secret" not in str(caught.value)
