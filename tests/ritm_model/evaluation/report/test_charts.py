"""Charts are well-formed and show the numbers they are given; curves are averaged as the summary does."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ritm_model.evaluation.noc import mean_iou_after
from ritm_model.evaluation.report.charts import (
    BOTTOM,
    HEIGHT,
    TOP,
    Bars,
    bar_chart,
    histogram,
    line_chart,
    to_text,
)
from ritm_model.evaluation.report.curves import mean_curve

SVG = "{http://www.w3.org/2000/svg}"
iou = st.floats(0, 1, width=32)
curve = st.lists(iou, min_size=1, max_size=6).map(lambda values: np.array(values, np.float32))


def parsed(chart: ElementTree.Element) -> ElementTree.Element:
    return ElementTree.fromstring(to_text(chart))


@settings(max_examples=30)
@given(st.lists(curve, min_size=1, max_size=8), st.integers(1, 8))
def test_means_are_those_of_the_summary(curves, clicks) -> None:
    found = mean_curve(curves, clicks)
    assert found.mean == pytest.approx([mean_iou_after(curves, k) for k in range(1, clicks + 1)])
    assert all(0 <= low <= high <= 1 for low, high in zip(found.low, found.high, strict=True))


def test_the_band_is_that_of_the_bootstrap() -> None:
    random = np.random.default_rng(3)
    curves = list(random.uniform(0.4, 0.9, (400, 2)).astype(np.float32))
    found = mean_curve(curves, 2)
    error = np.std(curves, axis=0) / 20
    assert np.subtract(found.high, found.low) == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_a_line_goes_through_its_means() -> None:
    found = mean_curve([np.array([0.5, 1.0], np.float32)], 2)
    chart = parsed(line_chart("title", [("a < b", found)]))
    (line,) = chart.iter(f"{SVG}polyline")
    (_, low), (_, high) = (map(float, point.split(",")) for point in line.attrib["points"].split())
    assert low == pytest.approx(HEIGHT - BOTTOM, abs=0.1)  # the axis starts at 0.5
    assert high == pytest.approx(TOP, abs=0.1)
    assert "a < b, 2 clicks: 1.000 (1.000 to 1.000)" in [node.text for node in chart.iter(f"{SVG}title")]


def test_bars_are_as_high_as_their_counts() -> None:
    chart = parsed(histogram("title", [4, 0, 2], 1, 0))
    heights = [float(bar.attrib["height"]) for bar in chart.iter(f"{SVG}rect")]
    assert np.array(heights) / heights[0] == pytest.approx([1, 0, 0.5, 0.25], abs=0.01)
    assert [node.text for node in chart.iter(f"{SVG}title")][-1] == "never: 1 object"


@given(st.integers(0, 100_000), st.integers(0, 100_000))
def test_no_bar_leaves_the_chart(count, never) -> None:
    for bar in parsed(histogram("title", [count], never, 0)).iter(f"{SVG}rect"):
        assert float(bar.attrib["y"]) >= TOP - 0.1
        assert float(bar.attrib["height"]) >= 0


def test_a_group_without_a_value_has_no_bar() -> None:
    chart = parsed(
        bar_chart("title", ["small", "large"], [Bars("a", (1.5, None)), Bars("b", (2, 3))], "clicks")
    )
    assert [node.text for node in chart.iter(f"{SVG}title")] == [
        "a, small: 1.50 clicks",
        "b, small: 2.00 clicks",
        "b, large: 3.00 clicks",
    ]
