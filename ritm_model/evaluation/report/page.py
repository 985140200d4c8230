"""The report as one HTML file that asks nobody for anything.

There is no script in it, its style is allowed by hash, and everything else but pictures inside the file is
forbidden to the browser. Jinja escapes whatever comes out of files.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from xml.etree.ElementTree import Element

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ritm_model.evaluation.noc import clicks_to_reach, reaches
from ritm_model.evaluation.report.cards import data_cards, model_cards
from ritm_model.evaluation.report.cases import WorstCases
from ritm_model.evaluation.report.charts import (
    Bars,
    bar_chart,
    chart_style,
    histogram,
    line_chart,
    series_class,
    to_text,
)
from ritm_model.evaluation.report.curves import mean_curve
from ritm_model.evaluation.report.runs import Group, Run, grouped
from ritm_model.evaluation.report.wording import (
    CONFIDENCE,
    counted,
    duration,
    headline,
    headline_target,
    opening,
    percent,
    rules,
    verdicts,
)
from ritm_model.evaluation.summary import SIZES

MOST_OPEN_CLASSES = 12  # a longer table is folded
SIZE_NAMES = (*SIZES, "large")
SIZES_IN_WORDS = ", ".join(f"{name} below {limit:,} pixels" for name, limit in SIZES.items()) + ", else large"


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with the line below it."""

    caption: str
    svg: Markup


def render_report(runs: Sequence[Run], worst: Sequence[WorstCases] = ()) -> str:
    """The whole page.

    Args:
        runs: finished evaluations that may stand side by side.
        worst: pictures of their worst objects.
    """
    groups = grouped(runs)
    style = chart_style() + files(__package__).joinpath("page.css").read_text()
    return (
        _environment()
        .get_template("page.html")
        .render(
            style=Markup(style),  # noqa: S704  (ours; nothing of a file is in it)
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            title=f"Clicks to a good mask: {', '.join(dict.fromkeys(group.dataset for group in groups))}",
            opening=opening(groups),
            groups=[(group, verdicts(group), _figures(group)) for group in groups],
            runs=[run for group in groups for run in group.runs],
            worst=worst,
            models=model_cards(runs),
            data_sets=data_cards(runs),
            version=version("ritm"),
            open_classes=MOST_OPEN_CLASSES,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "duration": duration,
        "series": series_class,
        "data_uri": _data_uri,
    }
    environment.globals |= {
        "headline": headline,
        "headline_target": headline_target,
        "counted": counted,
        "rules": rules,
        "best": _best,
    }
    return environment


def _figures(group: Group) -> list[Figure]:
    protocol = group.runs[0].evaluation.protocol
    target = headline_target(protocol)
    curves = [
        (
            run.label,
            mean_curve([sample.curve for sample in run.evaluation.samples], protocol.max_clicks),
        )
        for run in group.runs
    ]
    figures = [
        Figure(
            "Mean IoU after each click; where annotation had stopped before, the last IoU counts. "
            f"The bands are {CONFIDENCE}.",
            _markup(to_text(line_chart(f"Mean IoU after each click on {group.dataset}", curves))),
        ),
        Figure(
            f"Mean clicks to {percent(target)} by size: {SIZES_IN_WORDS}.",
            _markup(to_text(_by_size(group, target))),
        ),
    ]
    for number, run in enumerate(group.runs):
        title = f"Objects by clicks to {percent(target)}, {run.label}"
        figures.append(Figure(f"{title}.", _markup(to_text(_histogram(run, title, target, number)))))
    return figures


def _histogram(run: Run, title: str, target: float, number: int) -> Element:
    limit = run.evaluation.protocol.max_clicks
    curves = [sample.curve for sample in run.evaluation.samples if reaches(sample.curve, target)]
    needed = Counter(clicks_to_reach(curve, target, limit) for curve in curves)
    counts = [needed[clicks] for clicks in range(1, limit + 1)]
    return histogram(title, counts, len(run.evaluation.samples) - len(curves), number)


def _by_size(group: Group, target: float) -> Element:
    names = [name for name in SIZE_NAMES if any(name in _noc_by_size(run, target) for run in group.runs)]
    bars = [
        Bars(run.label, tuple(_noc_by_size(run, target).get(name) for name in names)) for run in group.runs
    ]
    title = f"Mean clicks to {percent(target)} by size of the object on {group.dataset}"
    return bar_chart(title, names, bars, "clicks")


def _noc_by_size(run: Run, target: float) -> dict[str, float]:
    place = run.evaluation.protocol.targets.index(target)
    return {row.group: row.noc[place] for row in run.summary.by_size}


def _best(group: Group, target: float) -> float | None:
    """The least NoC of the group where there is something to compare."""
    found = [row.noc for run in group.runs for row in run.summary.targets if row.target == target]
    return min(found) if len(set(found)) > 1 else None


def _markup(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704  (written by an XML library, which has escaped every label)


def _data_uri(picture: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(picture).decode()}"
