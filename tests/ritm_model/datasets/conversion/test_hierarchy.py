"""Parts are found by the rules of the paper's data."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ritm_model.datasets.converters.hierarchy import are_the_same, hierarchy, shape_of


def test_the_recorded_hierarchy_is_found(golden):
    masks = np.load(golden / "unit_hierarchy.npz")["masks"]
    recorded = json.loads((golden / "unit.json").read_text())["hierarchy"]
    nodes = hierarchy([shape_of(mask) for mask in masks])
    found = {
        str(number): {"children": list(node.children), "parent": node.parent, "node_level": node.level}
        for number, node in enumerate(nodes)
    }
    assert found == recorded


def square(side, top=0, left=0):
    mask = np.zeros((40, 40), bool)
    mask[top : top + side, left : left + side] = True
    return shape_of(mask)


def test_a_part_lies_inside_by_more_than_four_fifths():
    whole = square(20)
    inside, outside = square(10, 0, 11), square(10, 0, 12)  # 9 and 8 of 10 columns
    assert [node.parent for node in hierarchy([whole, inside])] == [None, 0]
    assert [node.parent for node in hierarchy([whole, outside])] == [None, None]


def test_the_order_of_masks_does_not_matter_and_equals_are_nested():
    shapes = [square(4), square(20), square(10)]
    assert [(node.parent, node.children, node.level) for node in hierarchy(shapes)] == [
        (2, (), 2),
        (None, (2,), 0),
        (1, (0,), 1),
    ]
    assert [node.parent for node in hierarchy([square(5), square(5)])] == [None, 0]


def test_the_same_object_is_recognised_by_box_and_pixels():
    assert are_the_same(square(20), square(19), 0.85)  # 361 / 400
    assert not are_the_same(square(20), square(18), 0.85)  # 324 / 400
    cross = np.zeros((40, 40), bool)
    cross[:20, 9:11] = cross[9:11, :20] = True
    assert not are_the_same(square(20), shape_of(cross), 0.7)  # the same box
    assert shape_of(np.zeros((3, 3), bool)) is None


@settings(max_examples=50, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 6), st.just(9), st.just(8))))
def test_parents_are_larger_and_levels_count_them(masks):
    shapes = [shape for mask in masks if (shape := shape_of(mask)) is not None]
    nodes = hierarchy(shapes)
    for number, node in enumerate(nodes):
        if node.parent is None:
            assert node.level == 0
        else:
            assert shapes[node.parent].area >= shapes[number].area
            assert nodes[node.parent].level == node.level - 1
            assert number in nodes[node.parent].children
    assert sum(len(node.children) for node in nodes) == sum(node.parent is not None for node in nodes)
