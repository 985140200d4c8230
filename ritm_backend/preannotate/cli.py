"""`ritm preannotate`."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ritm_model.cli.options import as_json
from ritm_model.cli.output import echo_json, progress_bar
from ritm_model.cpus import limit_threads

if TYPE_CHECKING:
    from ritm_backend.preannotate.writing import Outcome

SHOWN = 10
_FILE = click.Path(path_type=Path)


@click.command()
@click.option(
    "--project-id", "--project", type=click.IntRange(1), required=True, metavar="NUMBER", help="The project."
)
@click.option(
    "--detections", type=_FILE, metavar="FILE", help="Boxes: a list of COCO results, or COCO annotations."
)
@click.option(
    "--images", type=_FILE, metavar="FILE", help="COCO file that names images and categories of the results."
)
@click.option(
    "--from-predictions",
    metavar="MODEL_VERSION",
    default="",
    help="Boxes and keypoints: those of the predictions of this version that stand in the project.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME=LABEL",
    help="The project's label for a detector's name, where more than the case differs. Repeat it for more.",
)
@click.option(
    "--min-score", type=click.FloatRange(0, 1), default=0.0, help="Leave out what has a lower score."
)
@click.option(
    "--min-mask-score",
    type=click.FloatRange(0, 1),
    help="Leave out regions of which the model is less sure.  [0.7]",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Tasks that get regions at most.")
@click.option("--model", default="", help="Model by name or path.  [that of the backend: RITM_MODEL, …]")
@click.option("--dry-run", is_flag=True, help="Write nothing; say what there is to go by.")
@as_json
def preannotate(
    project_id: int,
    detections: Path | None,
    images: Path | None,
    from_predictions: str,
    labels: tuple[str, ...],
    min_score: float,
    min_mask_score: float | None,
    limit: int | None,
    model: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Begin new tasks of a Label Studio project with regions made of what a detector has found.

    Tasks that have annotations or a prediction of the same model are left alone, so run it again as often as
    you like. Label Studio, the model and access to images are said in the environment, as for `ritm serve`.

    \b
    ritm preannotate --project-id 3 --detections boxes.json --images images.json --min-score 0.5
    ritm preannotate --project-id 3 --from-predictions yolo-1 --dry-run
    """
    if (detections is None) == (not from_predictions):
        raise click.UsageError("Give either --detections or --from-predictions.")
    if images is not None and detections is None:
        raise click.UsageError("--images goes with --detections.")
    named = dict(each.partition("=")[::2] for each in labels)
    if not all(name and label for name, label in named.items()):
        raise click.UsageError("--label is given as NAME=LABEL.")
    limit_threads()  # before torch is loaded
    from ritm_backend.preannotate.writing import MIN_MASK_SCORE, Wish
    from ritm_backend.preannotate.writing import preannotate as write
    from ritm_backend.settings import Settings
    from ritm_ops.environment import SettingsError
    from ritm_ops.label_studio.client import LabelStudioClient

    settings = Settings.from_environment()
    if settings.label_studio_url is None or settings.label_studio_api_key is None:
        raise SettingsError(
            "LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY are not set; they say whose tasks are meant."
        )
    wish = Wish(
        project_id,
        detections,
        images,
        from_predictions,
        named,
        min_score,
        MIN_MASK_SCORE if min_mask_score is None else min_mask_score,
        limit,
        model,
        dry_run,
    )
    token = settings.label_studio_api_key.get_secret_value()
    with (
        LabelStudioClient(settings.label_studio_url, token) as client,
        progress_bar("Pre-annotating", hidden=as_json, unit="task") as on_progress,
    ):
        outcome = write(settings, client, wish, on_progress)
    if as_json:
        _echo_json(outcome)
    else:
        _show(outcome, dry_run)
    if outcome.problems and not outcome.written:
        sys.exit(1)


def _echo_json(outcome: Outcome) -> None:
    echo_json(
        {
            "project": outcome.project.number,
            "model": outcome.model,
            "written": outcome.written,
            "annotated": outcome.annotated,
            "predicted": outcome.predicted,
            "without": outcome.without,
            "empty": outcome.empty,
            "left_out": outcome.left_out,
            "problems": outcome.problems,
            "notes": outcome.notes,
        }
    )


def _show(outcome: Outcome, dry_run: bool) -> None:
    tasks, regions = len(outcome.written), sum(outcome.written.values())
    if dry_run:
        click.echo(
            f"{tasks} tasks would begin with regions of {outcome.model}, made of {regions} points and boxes."
        )
        click.echo("Nothing was written; run it without --dry-run to do this.")
    else:
        click.echo(f"{tasks} tasks begin with {regions} regions of {outcome.model} now.")
    for count, why in (
        (outcome.annotated, "are annotated"),
        (outcome.predicted, "have a prediction of this model"),
        (outcome.without, "have nothing to go by"),
        (outcome.empty, "show no object that the model is sure of"),
    ):
        if count:
            click.echo(f"Left alone: {count} tasks {why}.")
    for reason, count in outcome.left_out.most_common(SHOWN):
        click.echo(f"Left out {count}: {reason}")
    if len(outcome.left_out) > SHOWN:
        click.echo(f"... and for {len(outcome.left_out) - SHOWN} more reasons; --json has them all.")
    for task, reason in islice(outcome.problems.items(), SHOWN):
        click.echo(f"Task {task}: {reason}")
    if len(outcome.problems) > SHOWN:
        click.echo(f"... and {len(outcome.problems) - SHOWN} more tasks with problems.")
    for note in outcome.notes:
        click.echo(note)
