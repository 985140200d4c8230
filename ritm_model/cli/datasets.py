"""`ritm datasets`: which data sets there are, where they lie, and what is wrong with them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ritm_model.cli.options import as_json, config_option, root_option
from ritm_model.cli.output import echo_json, progress_bar
from ritm_model.errors import RitmError

if TYPE_CHECKING:
    from ritm_model.datasets import Problem, Roots


@click.group(invoke_without_command=True)
@config_option
@root_option
@as_json
@click.pass_context
def datasets(context: click.Context, config: Path | None, roots: tuple[str, ...], as_json: bool) -> None:
    """List data sets for `ritm evaluate`, and check them.

    \b
    ritm datasets --config config.yml
    ritm datasets check cells --root cells=labels:data/cells
    """
    if context.invoked_subcommand is not None:
        context.obj = config, roots
        return
    rows = _rows(_all_roots(config, roots))
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']}: {row['about']}")
        for name in ("layout", "root", "missing", "source"):
            value = row[name]
            if value:
                text = ", ".join(value) if isinstance(value, list) else value
                click.echo(f"  {_TITLES[name]:<9} {text}")
        click.echo()


@datasets.command()
@click.argument("name")
@config_option
@root_option
@as_json
@click.pass_obj
def check(
    before: tuple[Path | None, tuple[str, ...]],
    name: str,
    config: Path | None,
    roots: tuple[str, ...],
    as_json: bool,
) -> None:
    """Open every image and mask of the data set NAME (or NAME:SPLIT). Fails if any is broken."""
    from ritm_model.datasets import open_dataset

    config_before, roots_before = before  # the options may stand before `check`, too
    places = _all_roots(config or config_before, (*roots_before, *roots))
    with progress_bar(name, hidden=as_json, unit="image") as on_progress:
        dataset = open_dataset(name, places, on_progress)
    broken = [problem for problem in dataset.problems if not problem.by_rule]
    by_rule = [problem for problem in dataset.problems if problem.by_rule]
    if as_json:
        echo_json(
            {
                "name": dataset.name,
                "images": len(dataset.photographs),
                "samples": len(dataset),
                "broken": [_without_rule(problem) for problem in broken],
                "left_out_by_rule": [_without_rule(problem) for problem in by_rule],
            }
        )
    else:
        click.echo(f"{dataset.name}: {len(dataset)} samples of {len(dataset.photographs)} images")
        for title, problems in (("left out by rule", by_rule), ("broken", broken)):
            click.echo(f"{title}: {len(problems)}")
            for problem in problems:
                click.echo(f"  {problem}")
    if broken:
        raise RitmError(f"{name} has {len(broken)} broken parts, which evaluation leaves out.")


_TITLES = {"layout": "needs", "root": "lies in", "missing": "missing", "source": "get it"}


def _all_roots(config: Path | None, options: tuple[str, ...]) -> Roots:
    from ritm_model.datasets import parse_roots, read_roots

    return {**(read_roots(config) if config else {}), **parse_roots(options)}


def _rows(roots: Roots) -> list[dict[str, Any]]:
    from ritm_model.datasets import DATASETS

    return [_row(name, roots) for name in dict.fromkeys((*DATASETS, *roots))]


def _row(name: str, roots: Roots) -> dict[str, Any]:
    from ritm_model.datasets import DATASETS, DatasetError, find_dataset

    row: dict[str, Any] = {"name": name, "about": "", "layout": [], "root": None, "missing": [], "source": ""}
    layout = DATASETS.get(name)
    if name in roots:
        try:
            place = find_dataset(name, roots)
        except DatasetError as error:
            return {**row, "about": str(error)}
        layout = place.layout
        row |= {"root": str(place.root), "missing": [str(path) for path in place.missing()]}
    assert layout is not None
    is_complete = row["root"] is not None and not row["missing"]
    row |= {"about": layout.about, "layout": list(layout.files(layout.split))}
    if not is_complete:
        row["source"] = layout.source
    if layout.source and row["root"] is None:
        row["missing"] = [f"everything: give its folder with --root {name}=PATH or --config"]
    return row


def _without_rule(problem: Problem) -> dict[str, str]:
    return {key: value for key, value in asdict(problem).items() if key != "by_rule"}
