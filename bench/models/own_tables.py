"""The tables of docs/starter.md: one model before, one after, on the objects of `own_benchmark.py`.

    ritm evaluate OLD NEW --datasets own --root own=COCO:OWN/annotations.json --eval-mode serving \
        --iou-analysis --output RUNS
    python bench/models/own_tables.py RUNS/OLD/* RUNS/NEW/*

Wants runs that always use all clicks, from nothing or from a mask. Of the clicks that lower the IoU, those
count that come before the mask has an IoU of 0.9. Intervals are by bootstrap over the objects, paired.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ritm_model.evaluation.compare import compare
from ritm_model.evaluation.noc import Curve, clicks_to_reach, failures, mean_iou_after, noc, stability
from ritm_model.evaluation.results import SampleResult
from ritm_model.evaluation.run_folder import read_run

CLICKS = 20
CONTENT = 0.9
KINDS = ("whole", "region", "thin", "small", "several", "microscopy")

Samples = Sequence[SampleResult]
Measure = Callable[[SampleResult], float]


def count(target: float) -> Measure:
    return lambda sample: clicks_to_reach(sample.curve, target, CLICKS)


def iou_after(clicks: int) -> Measure:
    return lambda sample: mean_iou_after([sample.curve], clicks)


def until_content(sample: SampleResult) -> Curve:
    return sample.curve[: clicks_to_reach(sample.curve, CONTENT, CLICKS)]


def difference(before: Samples, after: Samples, measure: Measure, digits: int) -> str:
    found = compare([measure(sample) for sample in before], [measure(sample) for sample in after])
    low, high = found.interval.low, found.interval.high
    return f"{found.difference:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def row(name: str, samples: Samples, targets: Sequence[float], looks: Sequence[int]) -> str:
    curves = [sample.curve for sample in samples]
    cells = [f"{noc(curves, target, CLICKS):.2f}" for target in targets]
    cells.append(str(failures(curves, 0.85)))
    cells += [f"{mean_iou_after(curves, look):.3f}" for look in looks]
    cells.append(f"{stability([until_content(sample) for sample in samples]).share:.0%}")
    return f"| {name} | {' | '.join(cells)} |"


def overall(before: Samples, after: Samples, targets: Sequence[float], looks: Sequence[int]) -> Iterator[str]:
    heads = [f"NoC@{target * 100:.0f}" for target in targets]
    heads += ["never at 0.85", f"IoU after {looks[0]}", *map(str, looks[1:]), "clicks that lowered it"]
    yield f"| | {' | '.join(heads)} |"
    yield "|---" * (len(heads) + 1) + "|"
    yield row("before", before, targets, looks)
    yield row("starter", after, targets, looks)
    counts = [difference(before, after, count(target), 2) for target in targets]
    gains = [difference(before, after, iou_after(look), 3) for look in looks]
    yield f"| difference (95 %) | {' | '.join([*counts, '', *gains, ''])} |"


def by_kind(before: Samples, after: Samples) -> Iterator[str]:
    yield "| kind | objects | NoC@85 | difference (95 %) | NoC@90 | IoU after 1 | after 3 | after 10 |"
    yield "|---" * 8 + "|"
    for kind in KINDS:
        old = [sample for sample in before if sample.category == kind]
        new = [sample for sample in after if sample.category == kind]
        curves = [[sample.curve for sample in run] for run in (old, new)]
        clicks = ["{:.2f} → {:.2f}".format(*(noc(run, at, CLICKS) for run in curves)) for at in (0.85, 0.9)]
        ious = ["{:.3f} → {:.3f}".format(*(mean_iou_after(run, at) for run in curves)) for at in (1, 3, 10)]
        change = difference(old, new, count(0.85), 2)
        yield f"| {kind} | {len(old)} | {clicks[0]} | {change} | {clicks[1]} | {' | '.join(ious)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("before", type=Path, help="Folder of a run, with samples.jsonl.")
    parser.add_argument("after", type=Path)
    asked = parser.parse_args()
    before, after = (read_run(folder)[1] for folder in (asked.before, asked.after))
    if [sample.name for sample in before] != [sample.name for sample in after]:
        parser.error("the runs are of different objects")
    is_from_mask = before[0].initial_iou is not None
    targets = (0.85, 0.9) if is_from_mask else (0.8, 0.85, 0.9)
    looks = (1, 3, 5, 10) if is_from_mask else (1, 2, 3, 5, 10)
    print("\n".join([*overall(before, after, targets, looks), "", *by_kind(before, after)]))


if __name__ == "__main__":
    main()
