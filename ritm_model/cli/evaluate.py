"""`ritm evaluate`: how many clicks does a model need?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ritm_model.cli.options import as_json, config_option, root_option
from ritm_model.cli.output import echo_json, progress_bar

if TYPE_CHECKING:
    from ritm_model.datasets import Dataset, Roots
    from ritm_model.evaluation import Comparison, Evaluation, EvaluationProtocol, SampleResult, Summary
    from ritm_model.evaluation.run import OnResult


@dataclass(frozen=True)
class Rules:
    """The options that make a protocol, as they were given."""

    mode: str
    eval_mode: str
    target_iou: float
    n_clicks: int
    min_n_clicks: int
    thresh: float
    clicks_limit: int | None
    flip: bool | None
    refine: tuple[str, ...] | None
    from_mask: bool
    all_clicks: bool
    engine: str


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--datasets", required=True, metavar="NAME,...", help="See `ritm datasets` for what there is.")
@config_option
@root_option
@click.option(
    "--mode",
    default="NoBRS",
    show_default=True,
    help="NoBRS: the network's plain answer. RGB-BRS, DistMap-BRS, f-BRS-A, -B, -C: changed until it agrees "
    "with the clicks (the paper's earlier methods; slow).",
)
@click.option(
    "--eval-mode",
    default="cvpr",
    show_default=True,
    help="cvpr: as published. fixed<N>: N x N pixels from the first click on. serving: as annotators get it.",
)
@click.option(
    "--target-iou",
    type=float,
    default=0.95,
    show_default=True,
    help="Stop a sample here, at least 0.8. The paper stops at 0.9; counts for lower targets are the same.",
)
@click.option("--n-clicks", type=click.IntRange(1), default=20, show_default=True, help="Clicks at most.")
@click.option("--min-n-clicks", type=click.IntRange(1), default=1, show_default=True, help="Clicks at least.")
@click.option(
    "--thresh", type=click.FloatRange(0, 1), default=0.49, show_default=True, help="Probability of an object."
)
@click.option(
    "--clicks-limit",
    type=click.IntRange(-1),
    help="Only so many clicks reach the network, at least 1; -1 for --n-clicks.",
)
@click.option("--flip/--no-flip", default=None, help="Average with the mirror image; the mode's choice.")
@click.option(
    "--refine",
    metavar="NAME,...",
    help="merge: change a given mask only where it is clicked; or none. The mode's choice.",
)
@click.option("--from-mask", is_flag=True, help="Start from masks with mistakes (IoU 0.75 to 0.85).")
@click.option("--iou-analysis", is_flag=True, help="Always use all clicks, and save the curves.")
@click.option("--print-ious", is_flag=True, help="Always use all clicks, and print the IoU after some.")
@click.option("--save-ious", is_flag=True, help="Save the IoU after every click.")
@click.option("--vis-preds", is_flag=True, help="Draw every click of the samples that are not done yet.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, …")
@click.option(
    "--engine",
    type=click.Choice(["torch", "compile", "openvino"]),
    default="torch",
    show_default=True,
    help="What runs the network.",
)
@click.option("--jobs", type=click.IntRange(1), help="Processes; as many as cores, or one for a GPU.")
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="For a GPU: so many samples at a time in one process; crops of the same size are answered together.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("evaluation"),
    show_default=True,
    help="Folder that keeps results; the same command again goes on where it was interrupted.",
)
@click.option("--fresh", is_flag=True, help="Do not use results that are there already.")
@as_json
def evaluate(
    models: tuple[str, ...],
    datasets: str,
    roots: tuple[str, ...],
    config: Path | None,
    mode: str,
    eval_mode: str,
    target_iou: float,
    n_clicks: int,
    min_n_clicks: int,
    thresh: float,
    clicks_limit: int | None,
    flip: bool | None,
    refine: str | None,
    from_mask: bool,
    iou_analysis: bool,
    print_ious: bool,
    save_ious: bool,
    vis_preds: bool,
    device: str,
    engine: str,
    jobs: int | None,
    batch: int,
    output: Path,
    fresh: bool,
    as_json: bool,
) -> None:
    """Count the clicks that each MODEL needs, made by a simulated annotator. Two models are compared.

    \b
    ritm evaluate bundled --datasets GrabCut,DAVIS --config config.yml
    ritm evaluate bundled mine.safetensors --datasets cells --root cells=labels:data/cells
    """
    from ritm_model.checkpoints import model_version, resolve_model
    from ritm_model.datasets import parse_roots, read_roots
    from ritm_model.evaluation import PredictorSource, available_jobs
    from ritm_model.evaluation import evaluate as annotate_all
    from ritm_model.evaluation.modes import check_mode
    from ritm_model.evaluation.origin import ORIGIN, origin_of, write_origin
    from ritm_model.inference.opening import chosen_device

    # Whatever can be wrong with the command is found out before hours are spent.
    check_mode(mode)
    if clicks_limit == 0:
        raise click.BadParameter("The network needs at least one click.", param_hint="--clicks-limit")
    if batch > 1 and (mode != "NoBRS" or (jobs or 1) > 1):
        raise click.UsageError("--batch works with --mode NoBRS only, and without --jobs.")
    if engine != "torch" and mode != "NoBRS":
        raise click.UsageError("--engine works with --mode NoBRS only.")
    paths = [resolve_model(model) for model in models]
    device = chosen_device(device)
    rules = Rules(
        mode=mode,
        eval_mode=eval_mode,
        target_iou=target_iou,
        n_clicks=n_clicks,
        min_n_clicks=min_n_clicks,
        thresh=thresh,
        clicks_limit=clicks_limit,
        flip=flip,
        refine=None if refine is None else _names(refine),
        from_mask=from_mask,
        all_clicks=(iou_analysis or print_ious) and min_n_clicks == 1,
        engine=engine,
    )
    known = {**(read_roots(config) if config else {}), **parse_roots(roots)}
    opened = _opened(datasets, known, hidden=as_json)
    protocols = [_protocol(rules, dataset.name) for dataset in opened]
    jobs = 1 if batch > 1 else jobs or available_jobs(device)

    evaluations: list[list[Evaluation]] = []
    for dataset, protocol in zip(opened, protocols, strict=True):
        of_dataset = []
        for path in paths:
            version = model_version(path)
            folder = output / version / _run_name(dataset.name, rules)
            if fresh:
                (folder / ORIGIN).unlink(missing_ok=True)
            with _noc_bar(f"{version} {dataset.name}", protocol, hidden=as_json) as on_result:
                evaluation = annotate_all(
                    version,
                    PredictorSource(str(path), device, protocol, engine),
                    dataset,
                    protocol,
                    jobs=jobs,
                    batch=batch,
                    folder=folder,
                    fresh=fresh,
                    pictures=folder / "predictions_vis" if vis_preds else None,
                    on_result=on_result,
                )
            if not (folder / ORIGIN).exists():
                write_origin(folder, origin_of(path, device, jobs, dataset, known))
            if save_ious or iou_analysis:
                _save_curves(folder / "ious.json", evaluation)
            of_dataset.append(evaluation)
        evaluations.append(of_dataset)
    _show(opened, evaluations, as_json=as_json)


def _opened(names: str, known: Roots, *, hidden: bool) -> list[Dataset]:
    from ritm_model.datasets import find_dataset, open_dataset

    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise click.BadParameter("Name at least one.", param_hint="--datasets")
    for name in wanted:
        find_dataset(name, known)  # a misspelt last name is found before the first is read
    opened = []
    for name in wanted:
        with progress_bar(f"Reading {name}", hidden=hidden, unit="image") as on_progress:
            opened.append(open_dataset(name, known, on_progress))
    return opened


def _protocol(rules: Rules, dataset: str) -> EvaluationProtocol:
    from ritm_model.evaluation import protocol_for
    from ritm_model.evaluation.noc import LEAST_TARGET
    from ritm_model.evaluation.protocol import ALWAYS_ALL_CLICKS

    return protocol_for(
        rules.eval_mode,
        dataset,
        with_flip=rules.flip,
        threshold=rules.thresh,
        net_clicks_limit=rules.n_clicks if rules.clicks_limit == -1 else rules.clicks_limit,
        refine=rules.refine,
        mode=rules.mode,
        max_clicks=rules.n_clicks,
        min_clicks=rules.min_n_clicks,
        target_iou=ALWAYS_ALL_CLICKS if rules.all_clicks else max(rules.target_iou, LEAST_TARGET),
        from_mask=rules.from_mask,
    )


def _names(listed: str) -> tuple[str, ...]:
    """The names in a list with commas; "none" stands for an empty one."""
    return tuple(sorted({name.strip() for name in listed.split(",")} - {"", "none"}))


def _run_name(dataset: str, rules: Rules) -> str:
    parts = [dataset.replace(":", "-"), rules.eval_mode, rules.mode, str(rules.n_clicks)]
    parts += ["from-mask"] if rules.from_mask else []
    parts += ["all-clicks"] if rules.all_clicks else []
    parts += [] if rules.refine is None else ["-".join(rules.refine) or "plain"]
    parts += [] if rules.engine == "torch" else [rules.engine]
    parts += [] if rules.flip is None else ["flip" if rules.flip else "no-flip"]
    return "_".join(parts)


@contextmanager
def _noc_bar(title: str, protocol: EvaluationProtocol, *, hidden: bool) -> Iterator[OnResult]:
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


def _save_curves(path: Path, evaluation: Evaluation) -> None:
    curves = {
        "dataset_name": evaluation.dataset,
        "model_name": evaluation.model,
        "all_ious": [sample.ious for sample in evaluation.samples],
    }
    path.write_text(json.dumps(curves))


def _show(datasets: Sequence[Dataset], evaluations: Sequence[Sequence[Evaluation]], *, as_json: bool) -> None:
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
