"""What `ritm evaluate` shows: a bar with the clicks so far, then tables or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ritm_model.cli.output import echo_json, progress_bar

if TYPE_CHECKING:
    from ritm_model.datasets import Dataset
    from ritm_model.evaluation import Comparison, Evaluation, EvaluationProtocol, SampleResult, Summary
    from ritm_model.evaluation.run import OnResult


@contextmanager
def noc_bar(title: str, protocol: EvaluationProtocol, *, hidden: bool) -> Iterator[OnResult]:
    from ritm_model.evaluation.noc import clicks_to_reach

    target = min(protocol.targets, key=lambda target: abs(target - 0.9))
    clicks = samples = 0

    with progress_bar(title, hidden=hidden, unit="sample") as on_progress:

        def show(result: SampleResult, total: int) -> None:
            nonlocal clicks, samples
            samples += 1
            clicks += clicks_to_reach(result.curve, target, protocol.max_clicks)
            on_progress(samples, total, note=f"NoC@{100 * target:g} {clicks / samples:.2f}")

        yield show


def echo_evaluations(
    datasets: Sequence[Dataset], evaluations: Sequence[Sequence[Evaluation]], *, as_json: bool
) -> None:
    from ritm_model.evaluation import compare_evaluations, summarise

    results = [[(one, summarise(one)) for one in of_dataset] for of_dataset in evaluations]
    comparisons = [
        {other.model: compare_evaluations(first, other) for other in others} for first, *others in evaluations
    ]
    if as_json:
        rows = [
            {
                "dataset": dataset.name,
                "left_out": [asdict(problem) for problem in dataset.problems],
                "models": [
                    {"model": one.model, "protocol": one.protocol.settings(), **summary.to_json()}
                    for one, summary in of_dataset
                ],
                "comparisons": [
                    {"first": of_dataset[0][0].model, "second": model, "target": target, **asdict(found)}
                    for model, by_target in compared.items()
                    for target, found in by_target.items()
                ],
            }
            for dataset, of_dataset, compared in zip(datasets, results, comparisons, strict=True)
        ]
        echo_json(rows)
        return
    for block in _blocks(datasets, results, comparisons):
        click.echo(f"{block}\n")


def _blocks(
    datasets: Sequence[Dataset],
    results: Sequence[Sequence[tuple[Evaluation, Summary]]],
    comparisons: Sequence[Mapping[str, Mapping[float, Comparison]]],
) -> Iterator[str]:
    from ritm_model.evaluation.report.tables import (
        comparison_table,
        group_table,
        iou_table,
        noc_table,
        trouble_table,
    )

    for dataset in datasets:
        if dataset.problems:
            lines = [f"  {problem.file}: {problem.reason}" for problem in dataset.problems]
            yield "\n".join([f"Left out of {dataset.name}: {len(lines)}", *lines])
    everything = [result for of_dataset in results for result in of_dataset]
    yield f"Clicks to reach an IoU in percent (95 % interval)\n{noc_table(everything)}"
    yield (
        "Samples that take all clicks or fail, clicks that make it worse and by how much, seconds\n"
        f"{trouble_table(everything)}"
    )
    yield f"Mean IoU / boundary IoU after so many clicks\n{iou_table(everything)}"
    for evaluation, summary in everything:
        named = f"{evaluation.model} on {evaluation.dataset}"
        for title, groups in (("SIZE", summary.by_size), ("CLASS", summary.by_category)):
            if groups:
                yield f"{named}\n{group_table(evaluation.protocol, groups, title)}"
    for of_dataset, compared in zip(results, comparisons, strict=True):
        first = of_dataset[0][0]
        for model, by_target in compared.items():
            title = f"{model} instead of {first.model} on {first.dataset}"
            yield f"{title}\n{comparison_table(by_target)}"
