"""What is known of the models and data sets behind the numbers, as lines for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ritm_model.checkpoints import architecture_name
from ritm_model.datasets import DATASETS
from ritm_model.evaluation.origin import LeftOut, Origin
from ritm_model.evaluation.report.runs import Run

MOST_LEFT_OUT = 100


@dataclass(frozen=True, slots=True)
class Card:
    """A title, and lines of name and value.

    Attributes:
        title: model or data set.
        lines: what is known.
        left_out: files that were not evaluated, at most `MOST_LEFT_OUT`.
        more_left_out: how many more there are.
    """

    title: str
    lines: tuple[tuple[str, str], ...]
    left_out: tuple[LeftOut, ...] = ()
    more_left_out: int = 0


def model_cards(runs: Sequence[Run]) -> list[Card]:
    """One per model."""
    origins = _origins([(run.evaluation.model, run.origin) for run in runs])
    return [Card(model, tuple(_model_lines(origin))) for model, origin in origins.items()]


def data_cards(runs: Sequence[Run]) -> list[Card]:
    """One per data set."""
    origins = _origins([(run.evaluation.dataset, run.origin) for run in runs])
    sizes = {run.evaluation.dataset: run.summary.samples for run in runs}
    return [_data_card(name, sizes[name], origin) for name, origin in origins.items()]


def _origins(named: Sequence[tuple[str, Origin | None]]) -> dict[str, Origin | None]:
    found: dict[str, Origin | None] = {}
    for name, origin in named:
        found[name] = found.get(name) or origin
    return found


def _model_lines(origin: Origin | None) -> list[tuple[str, str]]:
    if origin is None:
        return [("Card", "The evaluation does not say where the model comes from.")]
    card, training = origin.card, origin.card.training
    lines = [
        ("Summary", training.summary),
        ("Architecture", architecture_name(card.family, card.params) or card.family),
        ("Trained on", training.trained_on),
        ("Licence", training.licence),
        ("Recipe", training.recipe),
        *((f"Metric {name}", str(value)) for name, value in training.metrics.items()),
        ("Source", training.source),
        ("SHA-256", card.sha256),
    ]
    return [(name, value or "not stated") for name, value in lines]


def _data_card(name: str, samples: int, origin: Origin | None) -> Card:
    if origin is None:
        return Card(name, (("Objects", f"{samples:,}"), ("Source", "The evaluation does not say it.")))
    data = origin.data
    layout_name, _, root = data.place.partition(":")
    layout = DATASETS.get(layout_name)
    lines = (
        ("Layout", f"{layout_name}: {layout.about}" if layout else layout_name),
        ("Images", f"{data.images:,}"),
        ("Objects", f"{data.samples:,}"),
        ("Left out", f"{len(data.left_out):,}"),
    )
    shown = tuple(
        LeftOut(file=_below(one.file, root), reason=one.reason.replace(f"{root}/", ""), by_rule=one.by_rule)
        for one in data.left_out[:MOST_LEFT_OUT]
    )
    return Card(name, lines, shown, len(data.left_out) - len(shown))


def _below(file: str, root: str) -> str:
    """Without the folders above the data set, which are nobody's business."""
    path = Path(file)
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name
