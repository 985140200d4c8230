"""Where a shape lies, as it is known before it is painted, holds all of what is painted."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ritm_ops.label_studio.shapes import Ellipse, Polygon, Rectangle, Shape, ShapeError

HEIGHT, WIDTH = 40, 60
MARGIN = 2  # as in `ritm_backend/label_studio/existing.py`
PLACE = st.floats(-50, 150)
SIDE = st.floats(0.1, 120)
TURN = st.floats(-400, 400)
SHAPES = st.one_of(
    st.builds(Polygon, st.lists(st.tuples(PLACE, PLACE), min_size=3, max_size=8).map(tuple)),
    st.builds(Rectangle, PLACE, PLACE, SIDE, SIDE, TURN),
    st.builds(Ellipse, PLACE, PLACE, SIDE, SIDE, TURN),
)


@given(SHAPES)
def test_nothing_is_painted_beyond_the_bounds(shape: Shape) -> None:
    left, top, right, bottom = shape.bounds(HEIGHT, WIDTH)
    try:
        rows, columns = np.nonzero(shape.mask(HEIGHT, WIDTH))
    except ShapeError:  # far from the picture
        return
    if rows.size:
        assert left - MARGIN <= columns.min() <= columns.max() <= right + MARGIN
        assert top - MARGIN <= rows.min() <= rows.max() <= bottom + MARGIN
