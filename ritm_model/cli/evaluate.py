"""`ritm evaluate`: how many clicks does a model need?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ritm_model.cli.evaluation_output import echo_evaluations, noc_bar
from ritm_model.cli.evaluation_protocol import ProtocolOptions
from ritm_model.cli.options import as_json, config_option, root_option
from ritm_model.cli.output import progress_bar

if TYPE_CHECKING:
    from ritm_model.datasets import Dataset, Roots
    from ritm_model.evaluation import Evaluation


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
    from ritm_model.inference.opening import chosen_device, viewing_of

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
    rules = ProtocolOptions(
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
    viewings = [viewing_of(path) for path in paths]
    jobs = 1 if batch > 1 else jobs or available_jobs(device)

    evaluations: list[list[Evaluation]] = []
    for dataset in opened:
        of_dataset = []
        for path, viewing in zip(paths, viewings, strict=True):
            protocol = rules.protocol(dataset.name, viewing)
            version = model_version(path)
            folder = output / version / rules.run_name(dataset.name)
            if fresh:
                (folder / ORIGIN).unlink(missing_ok=True)
            with noc_bar(f"{version} {dataset.name}", protocol, hidden=as_json) as on_result:
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
    echo_evaluations(opened, evaluations, as_json=as_json)


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


def _names(listed: str) -> tuple[str, ...]:
    """The names in a list with commas; "none" stands for an empty one."""
    return tuple(sorted({name.strip() for name in listed.split(",")} - {"", "none"}))


def _save_curves(path: Path, evaluation: Evaluation) -> None:
    curves = {
        "dataset_name": evaluation.dataset,
        "model_name": evaluation.model,
        "all_ious": [sample.ious for sample in evaluation.samples],
    }
    path.write_text(json.dumps(curves))
