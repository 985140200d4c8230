"""Evaluations as tables of text, for terminals and log files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ritm_model.evaluation.compare import Comparison
from ritm_model.evaluation.protocol import EvaluationProtocol
from ritm_model.evaluation.run import Evaluation
from ritm_model.evaluation.summary import GroupSummary, Summary, TargetSummary
from ritm_model.tables import Row, aligned


def noc_table(results: Sequence[tuple[Evaluation, Summary]]) -> str:
    """Mean number of clicks with its interval; '?' where annotation stopped before."""
    targets = _targets(results)
    rows: list[Row] = [("MODEL", "DATA", "N", *(f"NoC@{_percent(target)}" for target in targets))]
    for evaluation, summary in results:
        found = {row.target: row for row in summary.targets}
        cells = [_with_interval(found[target]) if target in found else "?" for target in targets]
        rows.append((evaluation.model, evaluation.dataset, str(summary.samples), *cells))
    return aligned(rows)


def trouble_table(results: Sequence[tuple[Evaluation, Summary]]) -> str:
    """Samples that take all clicks or fail, clicks that make it worse, and seconds."""
    targets = _targets(results)
    limit = "/".join(str(n) for n in sorted({evaluation.protocol.max_clicks for evaluation, _ in results}))
    rows: list[Row] = [
        (
            "MODEL",
            "DATA",
            *(f">={limit}@{_percent(target)}" for target in targets),
            *(f"NoF@{_percent(target)}" for target in targets),
            "WORSE",
            "DROP",
            "p50,s",
            "p95,s",
            "SPC,s",
        )
    ]
    for evaluation, summary in results:
        found = {row.target: row for row in summary.targets}
        seconds = summary.seconds
        rows.append(
            (
                evaluation.model,
                evaluation.dataset,
                *(str(found[target].at_limit) if target in found else "?" for target in targets),
                *(str(found[target].failures) if target in found else "?" for target in targets),
                f"{summary.stability.share:.1%}",
                f"{summary.stability.mean_drop:.3f}",
                *(f"{time:.3f}" for time in (seconds.click_p50, seconds.click_p95, seconds.per_click)),
            )
        )
    return aligned(rows)


def iou_table(results: Sequence[tuple[Evaluation, Summary]]) -> str:
    """Mean IoU, and boundary IoU after the stroke, after some clicks."""
    counts = sorted({count for _, summary in results for count in summary.iou_after})
    rows: list[Row] = [("MODEL", "DATA", "START", *(f"IoU@{count}" for count in counts))]
    for evaluation, summary in results:
        rows.append(
            (
                evaluation.model,
                evaluation.dataset,
                "empty" if summary.initial_iou is None else f"{summary.initial_iou:.3f}",
                *(
                    f"{summary.iou_after[count]:.3f} / {summary.boundary_iou_after[count]:.3f}"
                    if count in summary.iou_after
                    else "?"
                    for count in counts
                ),
            )
        )
    return aligned(rows)


def group_table(protocol: EvaluationProtocol, groups: Sequence[GroupSummary], title: str) -> str:
    """One line per class or size."""
    rows: list[Row] = [
        (
            title,
            "N",
            *(f"NoC@{_percent(target)}" for target in protocol.targets),
            *(f"NoF@{_percent(target)}" for target in protocol.targets),
        )
    ]
    rows += [
        (
            group.group,
            str(group.samples),
            *(f"{clicks:.2f}" for clicks in group.noc),
            *(str(count) for count in group.failures),
        )
        for group in groups
    ]
    return aligned(rows)


def comparison_table(comparisons: Mapping[float, Comparison]) -> str:
    """One line per target."""
    rows: list[Row] = [
        ("NoC", "WINS", "LOSSES", "TIES", "DIFFERENCE", "95 % INTERVAL", "p BOOTSTRAP", "p SIGNS", "")
    ]
    rows += [
        (
            f"@{_percent(target)}",
            str(found.wins),
            str(found.losses),
            str(found.ties),
            f"{found.difference:+.2f}",
            f"{found.interval.low:+.2f} to {found.interval.high:+.2f}",
            f"{found.p_bootstrap:.3f}",
            f"{found.p_sign:.3f}",
            _verdict(found),
        )
        for target, found in comparisons.items()
    ]
    return aligned(rows)


def _targets(results: Sequence[tuple[Evaluation, Summary]]) -> list[float]:
    return sorted({row.target for _, summary in results for row in summary.targets})


def _with_interval(row: TargetSummary) -> str:
    return f"{row.noc:.2f} ({row.interval.low:.2f}-{row.interval.high:.2f})"


def _verdict(found: Comparison) -> str:
    if not found.is_clear:
        return "no clear difference"
    return "fewer clicks" if found.difference < 0 else "more clicks"


def _percent(target: float) -> str:
    return f"{round(100 * target, 3):g}"
