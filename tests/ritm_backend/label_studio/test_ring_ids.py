"""Polygons of one object keep their ids from click to click."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ritm_backend.label_studio.ring_ids import RingIds, matched_ids


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


def test_a_refined_polygon_keeps_the_id_it_had():
    ids = RingIds().give("refined", [square(200, 0, 90), square(0, 0, 50)], before=[square(2, 2, 40)])

    assert ids[1] == "refined" != ids[0]


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
