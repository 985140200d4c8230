"""Charts as SVG: small, readable in light and dark and in black and white, without a script.

A chart is 460 x 300 units, so that its text stays legible on a telephone. Colours and dashes come from
`charts.css`, by the number of the series.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from xml.etree.ElementTree import Element, SubElement, tostring

from ritm_model.evaluation.report.curves import MeanCurve

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 14, 44
COLOURS, DASHES = 6, 4  # in charts.css; the smallest number that both divide is that of distinct series


@dataclass(frozen=True, slots=True)
class Bars:
    """One series of a bar chart: a value for each group, None where there is nothing."""

    label: str
    values: tuple[float | None, ...]


def series_class(number: int) -> str:
    """Colour and dash of a series, counted from 0."""
    return f"c{number % COLOURS} d{number % DASHES}"


def chart_style() -> str:
    """The style sheet of all charts."""
    return files(__package__).joinpath("charts.css").read_text()


def to_text(chart: Element) -> str:
    """The chart as markup; whatever labels hold is escaped."""
    return tostring(chart, encoding="unicode")


def line_chart(title: str, series: Sequence[tuple[str, MeanCurve]]) -> Element:
    """Mean IoU over the number of clicks, a line with its band per series."""
    clicks = max(len(curve.mean) for _, curve in series)
    bottom = min(math.floor(10 * min(curve.low)) / 10 for _, curve in series)
    bottom = min(bottom, 0.9)
    chart = _chart(title, "; ".join(f"{label}: {_told(curve)}" for label, curve in series))
    y_of = _axis_y(chart, [bottom + i / 10 for i in range(round((1 - bottom) * 10) + 1)], "mean IoU", 1)

    def x_of(click: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * ((click - 1) / max(clicks - 1, 1) if clicks > 1 else 0.5)

    every = math.ceil(clicks / 10)
    _axis_x(chart, [(x_of(k), str(k)) for k in range(1, clicks + 1) if k == 1 or k % every == 0], "clicks")
    for number, (_, curve) in enumerate(series):
        points = [(x_of(k), y_of(value)) for k, value in enumerate(curve.high, 1)]
        points += [(x_of(k), y_of(value)) for k, value in reversed([*enumerate(curve.low, 1)])]
        SubElement(chart, "polygon", {"class": f"band {series_class(number)}", "points": _points(points)})
    for number, (label, curve) in enumerate(series):
        points = [(x_of(k), y_of(value)) for k, value in enumerate(curve.mean, 1)]
        SubElement(chart, "polyline", {"class": f"line {series_class(number)}", "points": _points(points)})
        for k, (x, y) in enumerate(points, 1):
            dot = SubElement(chart, "circle", {"class": f"dot {series_class(number)}"})
            dot.attrib |= {"cx": _number(x), "cy": _number(y), "r": "3"}
            low, high = curve.low[k - 1], curve.high[k - 1]
            hint = f"{label}, {_counted(k, 'click')}: {curve.mean[k - 1]:.3f} ({low:.3f} to {high:.3f})"
            SubElement(dot, "title").text = hint
    return chart


def histogram(title: str, counts: Sequence[int], never: int, number: int) -> Element:
    """How many objects need 1, 2, … clicks, and how many never get there.

    Args:
        title: what is counted.
        counts: objects that are done with click 1, 2, ….
        never: objects that are not done with the last one.
        number: of the series whose colour the bars have.
    """
    told = ", ".join(f"{k}: {count}" for k, count in enumerate(counts, 1) if count)
    chart = _chart(title, f"objects by number of clicks: {told or 'none'}; never: {never}")
    y_of = _axis_y(chart, _steps(max(*counts, never, 1)), "objects", 0)
    slots = len(counts) + 1.5  # a gap sets "never" apart
    wide = (WIDTH - LEFT - RIGHT) / slots
    every = math.ceil(len(counts) / 10)
    places = [(LEFT + (k - 0.5) * wide, str(k)) for k in range(1, len(counts) + 1) if k == 1 or not k % every]
    _axis_x(chart, [*places, (WIDTH - RIGHT - wide / 2, "never")], "clicks")
    for k, count in enumerate(counts, 1):
        hint = f"{_counted(k, 'click')}: {_counted(count, 'object')}"
        _bar(chart, LEFT + (k - 1) * wide, wide, y_of(count), f"bar {series_class(number)}", hint)
    hint = f"never: {_counted(never, 'object')}"
    _bar(chart, WIDTH - RIGHT - wide, wide, y_of(never), "bar never", hint)
    return chart


def bar_chart(title: str, groups: Sequence[str], bars: Sequence[Bars], unit: str) -> Element:
    """A bar per group and series, with its value on top."""
    values = [value for one in bars for value in one.values if value is not None]
    told = "; ".join(
        f"{one.label}: "
        + ", ".join(
            f"{group} {value:.2f}"
            for group, value in zip(groups, one.values, strict=True)
            if value is not None
        )
        for one in bars
    )
    chart = _chart(title, told)
    y_of = _axis_y(chart, _steps(max([*values, 1])), unit, 0)
    wide = (WIDTH - LEFT - RIGHT) / len(groups)
    slot = 0.8 * wide / len(bars)
    _axis_x(chart, [(LEFT + (i + 0.5) * wide, group) for i, group in enumerate(groups)], "")
    for number, one in enumerate(bars):
        for i, (group, value) in enumerate(zip(groups, one.values, strict=True)):
            if value is None:
                continue
            x = LEFT + (i + 0.1) * wide + number * slot
            hint = f"{one.label}, {group}: {value:.2f} {unit}"
            _bar(chart, x, slot, y_of(value), f"bar {series_class(number)}", hint)
            if slot >= 24:
                _text(chart, x + slot / 2, y_of(value) - 4, f"{value:.1f}", "value")
    return chart


def _chart(title: str, description: str) -> Element:
    box = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "class": "chart", "role": "img", "aria-label": title}
    chart = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **box})
    SubElement(chart, "desc").text = description
    return chart


class _Scale:
    """Values to places from the lower end of the chart upwards."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)


def _axis_y(chart: Element, steps: Sequence[float], label: str, digits: int) -> _Scale:
    y_of = _Scale(steps[0], steps[-1])
    for step in steps:
        ends = {
            "x1": str(LEFT),
            "x2": str(WIDTH - RIGHT),
            "y1": _number(y_of(step)),
            "y2": _number(y_of(step)),
        }
        SubElement(chart, "line", {"class": "grid", **ends})
        _text(chart, LEFT - 6, y_of(step) + 4, f"{step:.{digits}f}", "tick end")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = _text(chart, 12, middle, label, "axis")
    turned.set("transform", f"rotate(-90 12 {_number(middle)})")
    return y_of


def _axis_x(chart: Element, places: Sequence[tuple[float, str]], label: str) -> None:
    for x, text in places:
        _text(chart, x, HEIGHT - BOTTOM + 17, text, "tick")
    _text(chart, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, label, "axis")


def _bar(chart: Element, x: float, slot: float, y: float, kind: str, hint: str) -> None:
    gap = min(2.0, 0.1 * slot)
    bar = SubElement(chart, "rect", {"class": kind, "x": _number(x + gap), "y": _number(y)})
    bar.attrib |= {"width": _number(slot - 2 * gap), "height": _number(HEIGHT - BOTTOM - y)}
    SubElement(bar, "title").text = hint


def _text(chart: Element, x: float, y: float, text: str, kind: str) -> Element:
    element = SubElement(chart, "text", {"x": _number(x), "y": _number(y), "class": kind})
    element.text = text
    return element


def _steps(most: float) -> list[float]:
    """About five round steps from 0 to the first that is not below `most`."""
    rough = most / 5
    size = 10 ** math.floor(math.log10(rough))
    step = max(next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough - 1e-9), 1)
    return [i * step for i in range(math.ceil(most / step - 1e-9) + 1)]


def _told(curve: MeanCurve) -> str:
    return f"{curve.mean[0]:.3f} after one click, {curve.mean[-1]:.3f} after {len(curve.mean)}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
