"""`ritm report` and `ritm plot`: what evaluations have found, for people."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ritm_model.cli.options import as_json, config_option, root_option
from ritm_model.cli.output import echo_json, progress_bar
from ritm_model.errors import RitmError
from ritm_model.files import writing

if TYPE_CHECKING:
    from ritm_model.evaluation.report import Run, Sources, WorstCases

MOST_PICTURE_BYTES = 3_600_000  # a third more once they are in the page

folders = click.argument(
    "folders", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path)
)


@click.command()
@folders
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("report.html"),
    show_default=True,
    help="The HTML file to write.",
)
@click.option(
    "--worst",
    type=click.IntRange(0),
    default=8,
    show_default=True,
    help="So many of the worst objects of each evaluation are shown click by click.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A model file that is not where it was evaluated. Repeat it for more.",
)
@config_option
@root_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, …")
@as_json
def report(
    folders: tuple[Path, ...],
    out: Path,
    worst: int,
    models: tuple[Path, ...],
    config: Path | None,
    roots: tuple[str, ...],
    device: str,
    as_json: bool,
) -> None:
    """Write one HTML file about the evaluations in the folders RUN, or in all folders below them.

    \b
    ritm evaluate bundled --datasets cells --root cells=labels:data/cells
    ritm report evaluation --out report.html
    """
    from ritm_model.datasets import parse_roots, read_roots
    from ritm_model.evaluation.report import Sources, find_runs, read_runs, render_report
    from ritm_model.evaluation.report.wording import counted
    from ritm_model.inference.opening import chosen_device

    runs = read_runs(find_runs(folders))
    sources = Sources(
        models=models,
        roots={**(read_roots(config) if config else {}), **parse_roots(roots)},
        device=chosen_device(device),
    )
    cases = _worst(runs, worst, sources, hidden=as_json) if worst else []
    page = render_report(runs, cases)
    _write(out, page)
    if as_json:
        echo_json(_told(out, page, runs, cases))
        return
    for one in cases:
        if one.note:
            click.echo(f"{one.label} on {one.dataset}: {one.note}", err=True)
    click.echo(f"{out}: {counted(len(runs), 'evaluation')}, {len(page.encode()) / 1e6:.1f} MB")


@click.command()
@folders
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("curves.svg"),
    show_default=True,
    help="The SVG file to write.",
)
@click.option("--datasets", metavar="NAME,...", help="Only these data sets.")
@click.option("--mode", "modes", metavar="MODE,...", help="Only these modes, such as NoBRS.")
@click.option(
    "--n-clicks",
    type=click.IntRange(-1),
    default=0,
    help="Only so many first clicks; -1 leaves out the last one, as the paper's script does by default.",
)
@as_json
def plot(
    folders: tuple[Path, ...],
    out: Path,
    datasets: str | None,
    modes: str | None,
    n_clicks: int,
    as_json: bool,
) -> None:
    """Draw the mean IoU after every click for the evaluations in or below the folders RUN, as SVG.

    \b
    ritm plot evaluation --out curves.svg --datasets GrabCut,DAVIS
    """
    from ritm_model.evaluation.report import find_runs, read_runs
    from ritm_model.evaluation.report.plot import curves_table, draw_curves, mean_curves

    if out.suffix.lower() != ".svg":
        raise RitmError(f"Curves are drawn as SVG only; name the file .svg instead of {out.name}.")
    runs = read_runs(find_runs(folders), datasets=_named(datasets), modes=_named(modes))
    panels = mean_curves(runs, n_clicks)
    _write(out, draw_curves(panels))
    if as_json:
        rows = [asdict(panel) for panel in panels]
        echo_json({"path": str(out), "panels": rows})
    else:
        click.echo(f"{curves_table(panels)}\n\n{out}")


def _worst(runs: Sequence[Run], count: int, sources: Sources, *, hidden: bool) -> list[WorstCases]:
    from ritm_model.evaluation.report import worst_cases
    from ritm_model.evaluation.report.wording import headline_target

    total = sum(min(count, run.summary.samples) for run in runs)
    shown = itertools.count(1)
    with progress_bar("Worst objects", hidden=hidden, unit="object") as on_progress:
        return [
            worst_cases(
                run,
                headline_target(run.evaluation.protocol),
                count,
                sources,
                MOST_PICTURE_BYTES // len(runs),
                lambda: on_progress(next(shown), total),
            )
            for run in runs
        ]


def _told(out: Path, page: str, runs: Sequence[Run], cases: Sequence[WorstCases]) -> dict[str, Any]:
    return {
        "path": str(out),
        "bytes": len(page.encode()),
        "evaluations": [
            {
                "folder": str(run.folder),
                "label": run.label,
                "model": run.evaluation.model,
                "dataset": run.evaluation.dataset,
                **run.summary.to_json(),
            }
            for run in runs
        ],
        "worst": [
            {
                "label": one.label,
                "dataset": one.dataset,
                "objects": [strip.result.name for strip in one.strips],
                "note": one.note,
            }
            for one in cases
        ],
    }


def _named(names: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (names or "").split(",") if name.strip())


def _write(path: Path, text: str) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
