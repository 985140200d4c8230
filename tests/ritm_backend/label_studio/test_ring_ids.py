"""Polygons of one object keep their ids from click to click, whichever process answers."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis
from redis_server import redis_server

from ritm_backend.label_studio.ring_ids import RingIds, matched_ids
from ritm_backend.sharing.rings import FolderRings, RedisRings
from ritm_ops.redis_link import RedisLink


def square(x, y, side):
    return np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]], np.float64)


CELLS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8, unique=True)


def test_the_largest_part_has_the_id_of_the_object():
    ids = RingIds().give("own", [square(0, 0, 50), square(100, 0, 20)])

    assert ids[0] == "own"
    assert len(set(ids)) == 2


def test_a_part_that_becomes_the_largest_keeps_its_own_id():
    rings = RingIds()
    first, second = rings.give("own", [square(0, 0, 50), square(100, 0, 20)])

    assert rings.give("own", [square(90, 0, 70), square(0, 0, 45)]) == [second, first]


def test_the_object_keeps_its_id_when_its_first_part_is_gone():
    rings = RingIds()
    rings.give("own", [square(0, 0, 50), square(100, 0, 20)])
    rings.give("own", [square(0, 0, 50)])

    assert rings.give("own", [square(300, 300, 10)]) == ["own"]


def test_of_the_pieces_of_a_part_the_one_that_shares_most_keeps_its_id():
    rings = RingIds()
    rings.give("own", [square(0, 0, 100)])

    assert rings.give("own", [square(90, 0, 200), square(0, 0, 80)])[1] == "own"


def test_a_new_part_takes_the_id_of_the_object_where_no_other_is_free():
    rings = RingIds()
    _, second = rings.give("own", [square(0, 0, 50), square(100, 0, 20)])

    assert rings.give("own", [square(98, 0, 30), square(300, 300, 10)]) == [second, "own"]


def test_a_refined_polygon_keeps_the_id_it_had():
    ids = RingIds().give("refined", [square(200, 0, 90), square(0, 0, 50)], lambda: [square(2, 2, 40)])

    assert ids[1] == "refined" != ids[0]


@pytest.fixture(scope="module")
def redis():
    with tempfile.TemporaryDirectory(prefix="redis") as folder, redis_server(Path(folder)) as redis:
        yield redis


@pytest.fixture(params=["folder", "redis"])
def place(request, tmp_path):
    """Two processes' ways to the place that they share."""
    if request.param == "folder":
        return [FolderRings(tmp_path, 60) for _ in range(2)]
    url = request.getfixturevalue("redis").url
    Redis.from_url(url).flushall()
    return [RedisRings(RedisLink(url, "tested."), 60) for _ in range(2)]


def test_processes_that_answer_in_turn_give_the_ids_of_one(place):
    one, other, alone = RingIds(place[0]), RingIds(place[1]), RingIds()
    clicks = [
        [square(0, 0, 50)],
        [square(90, 0, 70), square(0, 0, 45)],  # the first part is the smaller one from here on
        [square(0, 200, 90), square(90, 0, 70), square(0, 0, 45)],
        [square(0, 200, 90), square(0, 0, 45)],
    ]

    expected = [alone.give("own", rings) for rings in clicks]
    assert [ids.give("own", rings) for ids, rings in zip([one, other] * 2, clicks, strict=True)] == expected
    assert [ids.index("own") for ids in expected] == [0, 1, 2, 1]
    assert RingIds(place[0]).give("another", clicks[1])[0] == "another"


@pytest.mark.parametrize(
    "left",
    [
        b"",
        b"x",
        b"{}",
        b'[["own"]]',
        b'[["own",[]]]',
        b'[["own",[[1,"2"]]]]',
        b'[["own",[[1,9e99]]]]',
        b"[[1,[[1,2]]]]",
    ],
)
def test_what_others_have_left_is_read_with_care(place, left):
    place[0].leave("own", left)

    assert RingIds(place[1]).give("own", [square(0, 0, 50)]) == ["own"]


def test_without_redis_a_process_goes_by_its_own_answers():
    rings = RingIds(RedisRings(RedisLink("redis://127.0.0.1:1/0", "tested."), 60))
    rings.give("own", [square(0, 0, 50)])

    assert rings.give("own", [square(90, 0, 70), square(0, 0, 45)])[1] == "own"


def test_what_nobody_asks_for_is_dropped(redis, tmp_path):
    RedisRings(RedisLink(redis.url, "tested."), 60).leave("dropped", b"x")
    client = Redis.from_url(redis.url)
    assert all(0 < client.ttl(key) <= 60 for key in client.scan_iter("ritm:rings:*"))

    FolderRings(tmp_path, 60).leave("old", b"x")
    (old,) = tmp_path.iterdir()
    os.utime(old, (0, 0))
    later = FolderRings(tmp_path, 60)
    later.leave("new", b"x")
    assert (later.read("old"), later.read("new")) == (None, b"x")


def test_two_processes_begin_alike():
    rings = [square(0, 0, 50), square(100, 0, 20), square(0, 100, 10)]

    assert RingIds().give("own", rings) == RingIds().give("own", rings)


@settings(max_examples=60, deadline=None)
@given(CELLS, st.integers(-3, 3), st.integers(-3, 3), st.integers(-2, 4), st.randoms())
def test_ids_are_stable_under_small_changes(cells, dx, dy, growth, random):
    before = [square(x * 60, y * 60, 30) for x, y in cells]
    ids = matched_ids("own", before, [])
    after = [square(x * 60 + dx, y * 60 + dy, 30 + growth) for x, y in cells]
    order = list(range(len(after)))
    random.shuffle(order)

    again = matched_ids("own", [after[place] for place in order], list(zip(ids, before, strict=True)))

    assert again == [ids[place] for place in order]


@settings(max_examples=60, deadline=None)
@given(CELLS, CELLS)
def test_one_part_has_the_object_id_and_no_two_are_alike(before, after):
    old = [square(x * 40, y * 40, 50) for x, y in before]
    given_ids = list(zip(matched_ids("own", old, []), old, strict=True))
    ids = matched_ids("own", [square(x * 40, y * 40, 50) for x, y in after], given_ids)

    assert "own" in ids
    assert len(set(ids)) == len(ids) == len(after)
