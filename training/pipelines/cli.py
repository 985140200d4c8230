"""`ritm pipelines`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ritm_model.cli.options import as_json
from ritm_model.cli.output import echo_json, echo_table
from training.cli import follow_option, show_asked

if TYPE_CHECKING:
    from training.settings import TrainingSettings

file_argument = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def pipelines() -> None:
    """Several teams, or staging and production, beside each other: one pipeline for each, in a YAML FILE.

    \b
    ritm pipelines check pipelines.yaml
    ritm worker --pipelines pipelines.yaml
    """


@pipelines.command()
@file_argument
def check(file: Path) -> None:
    """Read FILE as a worker would, the recipes that it names included."""
    from training.pipelines.checking import check_pipeline
    from training.pipelines.file import pipelines_of

    found = pipelines_of(_settings(file))
    for settings in found.values():
        check_pipeline(settings)
    click.echo(f"{file}: nothing is wrong with {', '.join(found)}.")


@pipelines.command("list")
@file_argument
@as_json
def list_(file: Path, as_json: bool) -> None:
    """Show the pipelines of FILE."""
    from training.pipelines.fields import PipelineFields
    from training.pipelines.file import pipelines_of

    found = pipelines_of(_settings(file))
    if as_json:
        keys = set(PipelineFields.model_fields)
        echo_json({name: settings.model_dump(mode="json", include=keys) for name, settings in found.items()})
        return
    rows: list[Sequence[str]] = [("PIPELINE", "MODEL", "SOURCE", "PUBLISHING", "SCHEDULE")]
    for name, settings in found.items():
        rows.append(
            (name, settings.model, settings.source_uri, settings.publishing, settings.schedule or "-")
        )
    echo_table(rows)


@pipelines.command()
@file_argument
@click.argument("name")
@follow_option
@as_json
def run(file: Path, name: str, follow: bool, as_json: bool) -> None:
    """Ask for a job of the pipeline NAME now; while one waits or runs, it is that one."""
    from ritm_ops.jobs.queue import JobQueue, connect
    from training.pipelines.file import chosen

    settings = chosen(_settings(file), [name])[name]
    jobs = JobQueue(connect(settings.redis), settings.pauses, name)
    show_asked(jobs, *jobs.start(settings.source_uri), follow=follow, as_json=as_json)


def _settings(file: Path) -> TrainingSettings:
    from training.settings import TrainingSettings

    return TrainingSettings.from_environment(pipelines=file, pipeline=None)
