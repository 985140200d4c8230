"""`ritm next`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ritm_model.cli.options import as_json
from ritm_model.cli.output import echo_json, echo_table, progress_bar
from training.cli import pipelines_option
from training.next.names import ORDERS

if TYPE_CHECKING:
    from training.next.finding import Found
    from training.next.ordering import Ranked
    from training.next.writing import Written

SHOWN = 20
PROBLEMS_SHOWN = 5


@click.command("next")
@pipelines_option
@click.option("--pipeline", metavar="NAME", help="Whose tasks are meant.  [RITM_FINETUNE_PIPELINE]")
@click.option(
    "--project",
    type=click.IntRange(1),
    metavar="NUMBER",
    help="Project of Label Studio.  [that of the pipeline, or RITM_FINETUNE_PROJECT]",
)
@click.option(
    "--by",
    type=click.Choice(ORDERS),
    help="What to order by.  [that of the pipeline, or RITM_FINETUNE_NEXT_BY]",
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="Tasks that get a place.  [200]")
@click.option("--write", is_flag=True, help="Write the places into Label Studio; without it, only show them.")
@click.option(
    "--use", is_flag=True, help="With --write: have Label Studio serve tasks by them (uncertainty sampling)."
)
@click.option(
    "--frames",
    is_flag=True,
    help="With --write: begin tasks of sequences with what was drawn on the frame before.",
)
@as_json
def next_(
    pipelines: Path | None,
    pipeline: str | None,
    project: int | None,
    by: str | None,
    count: int | None,
    write: bool,
    use: bool,
    frames: bool,
    as_json: bool,
) -> None:
    """Show which tasks of a project of Label Studio to label next.

    The live model looks at every unlabelled task, unless the order is random; nobody has to have clicked.
    Where Label Studio, models and the project are is said in the environment or in a FILE of pipelines.

    \b
    ritm next --project 3
    ritm next --pipelines pipelines.yaml --pipeline cells --write --use
    """
    if (use or frames) and not write:
        raise click.UsageError("--use and --frames go with --write: without it, nothing is written.")
    from training.next.finding import find_next, open_client
    from training.next.finding import write as write_found
    from training.pipelines.file import only_one
    from training.settings import TrainingSettings

    given = {name: value for name, value in (("pipelines", pipelines), ("pipeline", pipeline)) if value}
    settings = only_one(TrainingSettings.from_environment(**given))
    told = {"project": project, "next_by": by, "next_count": count, "next_frames": frames or None}
    settings = settings.model_copy(update={name: value for name, value in told.items() if value is not None})
    with open_client(settings) as client:
        with progress_bar("Looking at tasks", hidden=as_json, unit="task") as on_progress:
            found = find_next(settings, client, on_progress)
        written = write_found(settings, client, found, use=use) if write else None
    _show(found, found.order[: settings.next_count], written, as_json, use)


def _show(found: Found, front: Sequence[Ranked], written: Written | None, as_json: bool, use: bool) -> None:
    from training.next.project import UNCERTAINTY

    if as_json:
        echo_json(
            {
                "project": found.project.number,
                "model": found.model,
                "by": found.by,
                "tasks": [{"task": each.task, "place": each.place, **each.values()} for each in front],
                "problems": found.problems,
                "written": None
                if written is None
                else {"scored": written.scored, "cleared": written.cleared},
            }
        )
        return
    columns = ("mirror", "shift", "distance", "sizes")
    rows: list[Sequence[object]] = [("PLACE", "TASK", *(name.upper() for name in columns))]
    for each in front[:SHOWN]:
        values = each.values()
        rows.append(
            (each.place, each.task, *("-" if values[name] is None else values[name] for name in columns))
        )
    echo_table(rows)
    if len(found.order) > SHOWN:
        click.echo(f"... {len(found.order)} unlabelled tasks in all.")
    for task, reason in list(found.problems.items())[:PROBLEMS_SHOWN]:
        click.echo(f"Task {task} has no place: {reason}")
    if len(found.problems) > PROBLEMS_SHOWN:
        click.echo(f"... and {len(found.problems) - PROBLEMS_SHOWN} more.")
    if written is None:
        click.echo("Nothing was written; --write does that.")
        return
    click.echo(f"{written.scored} places were written, {written.cleared} taken away.")
    if not use and found.project.sampling != UNCERTAINTY:
        click.echo(
            f"Label Studio does not serve by them yet (sampling: {found.project.sampling}); --use does that."
        )
