"""IoU over clicks as one picture: a panel per data set, a line per evaluation.

It shows what the paper's plot script shows. That script leaves out the last click unless it is told how many
to draw; here all are drawn, and `n_clicks=-1` gives the script's picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from ritm_model.evaluation.report.charts import (
    HEIGHT,
    WIDTH,
    chart_style,
    line_chart,
    series_class,
    to_text,
)
from ritm_model.evaluation.report.curves import MeanCurve, mean_curve
from ritm_model.evaluation.report.runs import Run, grouped
from ritm_model.tables import aligned

COLUMNS = 2
HEADING, LEGEND_LINE, GAP = 34, 20, 24
TOLD = (1, 3, 5, 10, 20)


@dataclass(frozen=True, slots=True)
class Panel:
    """A data set with its curves, by label."""

    title: str
    curves: tuple[tuple[str, MeanCurve], ...]


def mean_curves(runs: Sequence[Run], n_clicks: int = 0) -> list[Panel]:
    """Average the curves of each evaluation.

    Args:
        runs: finished evaluations, at least one.
        n_clicks: how many clicks; 0 for all, -1 for all but the last.
    """
    limit = runs[0].evaluation.protocol.max_clicks
    clicks = {0: limit, -1: max(1, limit - 1)}.get(n_clicks, min(n_clicks, limit))
    return [
        Panel(
            f"Mean IoU after every click on {group.dataset}" + (", from masks" if group.from_mask else ""),
            tuple(
                (run.label, mean_curve([sample.curve for sample in run.evaluation.samples], clicks))
                for run in group.runs
            ),
        )
        for group in grouped(runs)
    ]


def draw_curves(panels: Sequence[Panel]) -> str:
    """The panels side by side as one SVG file."""
    columns = min(COLUMNS, len(panels))
    legend = max(len(panel.curves) for panel in panels) * LEGEND_LINE
    tall = HEADING + HEIGHT + legend
    width = columns * WIDTH + (columns + 1) * GAP
    height = -(-len(panels) // columns) * (tall + GAP) + GAP
    picture = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width} {height}",
            "width": str(width),
            "height": str(height),
            "class": "chart",
        },
    )
    SubElement(picture, "style").text = chart_style()
    for i, panel in enumerate(panels):
        x = GAP + i % columns * (WIDTH + GAP)
        y = GAP + i // columns * (tall + GAP)
        _text(picture, x, y + 18, panel.title, "heading start")
        chart = line_chart(panel.title, panel.curves)
        chart.attrib |= {"x": str(x), "y": str(y + HEADING), "width": str(WIDTH), "height": str(HEIGHT)}
        picture.append(chart)
        for number, (label, _) in enumerate(panel.curves):
            below = y + HEADING + HEIGHT + number * LEGEND_LINE + 10
            ends = {"x1": str(x), "x2": str(x + 30), "y1": str(below), "y2": str(below)}
            SubElement(picture, "line", {"class": f"line {series_class(number)}", **ends})
            _text(picture, x + 38, below + 4, label, "start")
    return to_text(picture)


def curves_table(panels: Sequence[Panel]) -> str:
    """Mean IoU after some clicks, as text."""
    clicks = max(len(curve.mean) for panel in panels for _, curve in panel.curves)
    counts = [count for count in TOLD if count <= clicks]
    rows = [("CURVE", *(f"mIoU@{count}" for count in counts))]
    for panel in panels:
        rows.append((panel.title, *("" for _ in counts)))
        rows += [
            (f"  {label}", *(f"{100 * curve.mean[count - 1]:.2f}%" for count in counts))
            for label, curve in panel.curves
        ]
    return aligned(rows)


def _text(picture: Element, x: float, y: float, text: str, kind: str) -> None:
    SubElement(picture, "text", {"x": str(x), "y": str(y), "class": kind}).text = text
