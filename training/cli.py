"""`ritm finetune`, `ritm worker` and `ritm schedule`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ritm_model.cli.options import as_json
from ritm_model.cli.output import echo_json, progress_bar
from ritm_model.errors import RitmError

if TYPE_CHECKING:
    from ritm_ops.jobs.protocol import JobView
    from ritm_ops.jobs.queue import JobQueue
    from training.settings import TrainingSettings

POLL_SECONDS = 1.0

follow_option = click.option(
    "--follow", is_flag=True, help="Stay until the job has ended, with a progress bar."
)


pipelines_option = click.option(
    "--pipelines",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="YAML file of pipelines.  [RITM_PIPELINES]",
)


class FailedJobError(RitmError):
    """A job that was waited for has not finished."""


@click.group()
@click.option("--pipeline", metavar="NAME", help="Whose jobs are meant.  [RITM_FINETUNE_PIPELINE]")
@click.pass_context
def finetune(context: click.Context, pipeline: str | None) -> None:
    """Learn from the labels of your team, and publish what has become better.

    Where labels, models and Redis are is set in the environment, as the table in the documentation says.

    \b
    ritm finetune start --follow
    ritm finetune list
    """
    context.obj = pipeline


@finetune.command()
@click.option(
    "--source",
    help="Where the labels lie: s3://bucket/prefix, folder or file. Workers that have a source of their own "
    "refuse others.  [RITM_FINETUNE_SOURCE]",
)
@click.option("--base", help="Version to go on from.  [the live one]")
@follow_option
@as_json
def start(source: str | None, base: str | None, follow: bool, as_json: bool) -> None:
    """Ask for a job; while one with the same labels and base waits or runs, it is that one."""
    from ritm_ops.jobs.protocol import LIVE

    jobs, default = _jobs()
    show_asked(jobs, *jobs.start(source or default(), base or LIVE), follow=follow, as_json=as_json)


@finetune.command()
@click.argument("job_id", metavar="ID")
@follow_option
@as_json
def status(job_id: str, follow: bool, as_json: bool) -> None:
    """Show how a job is, and what was measured."""
    jobs, _ = _jobs()
    if follow:
        follow_job(jobs, job_id, as_json)
    else:
        _show(jobs.job(job_id), as_json)


@finetune.command()
@click.argument("job_id", metavar="ID")
@as_json
def stop(job_id: str, as_json: bool) -> None:
    """End a job, whether it waits or runs; nothing of it is published."""
    jobs, _ = _jobs()
    jobs.stop(job_id)
    if as_json:
        echo_json({"id": job_id, "stopped": True})
    else:
        click.echo(f"Job {job_id} is being stopped.")


@finetune.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List the jobs, the newest first."""
    jobs, _ = _jobs()
    found = jobs.jobs()
    if as_json:
        echo_json([job.to_json() for job in found])
        return
    for job in found:
        click.echo(f"{job.id}  {job.status:<8}  {job.report.progress:>4.0%}  {job.report.message}")


@finetune.command()
@click.argument("job_id", metavar="ID")
@as_json
def logs(job_id: str, as_json: bool) -> None:
    """Show the last lines of a job's log."""
    jobs, _ = _jobs()
    lines = jobs.job(job_id).report.log
    if as_json:
        echo_json(lines)
        return
    for line in lines:
        click.echo(line)


@click.command()
@pipelines_option
@click.option(
    "--serve",
    "names",
    multiple=True,
    metavar="NAME",
    help="A pipeline to take jobs of; may be repeated.  [all]",
)
@click.option("--burst", is_flag=True, help="End when there are no jobs, instead of waiting for more.")
def worker(pipelines: Path | None, names: tuple[str, ...], burst: bool) -> None:
    """Take fine-tuning jobs, one at a time; run one on each machine that is to learn."""
    from training.pipelines.file import chosen
    from training.worker import work

    work(chosen(_settings(pipelines=pipelines), names), burst=burst)


@click.command()
@pipelines_option
def schedule(pipelines: Path | None) -> None:
    """Ask for jobs at the times of the pipelines, or of RITM_FINETUNE_SCHEDULE. Run one."""
    from training.schedule import keep_schedule

    keep_schedule(_settings(pipelines=pipelines))


def _settings(**given: object) -> TrainingSettings:
    """The settings of the environment, but for those that are given."""
    from training.settings import TrainingSettings

    return TrainingSettings.from_environment(
        **{name: value for name, value in given.items() if value is not None}
    )


def _jobs() -> tuple[JobQueue, Callable[[], str]]:
    """The queue, and what says where the labels lie if nobody else does."""
    from ritm_ops.jobs.queue import JobQueue, connect
    from training.pipelines.file import only_one

    settings = only_one(_settings(pipeline=click.get_current_context().obj))
    return JobQueue(connect(settings.redis), settings.pauses, settings.pipeline), lambda: settings.source_uri


def show_asked(jobs: JobQueue, job_id: str, is_new: bool, *, follow: bool, as_json: bool) -> None:
    """Say that a job was asked for, or show how it goes until it has ended.

    Raises:
        FailedJobError: it has not finished.
    """
    if follow:
        follow_job(jobs, job_id, as_json)
    elif as_json:
        echo_json({"id": job_id, "new": is_new})
    else:
        click.echo(f"Job {job_id} {'waits for a worker' if is_new else 'goes on already'}.")


def follow_job(jobs: JobQueue, job_id: str, as_json: bool) -> None:
    """Show progress until the job has ended.

    Raises:
        FailedJobError: it has not finished.
    """
    job = jobs.job(job_id)
    with progress_bar("", hidden=as_json, unit="%", bar_format="{l_bar}{bar}| {postfix}") as on_progress:
        while not job.has_ended:
            time.sleep(POLL_SECONDS)
            job = jobs.job(job_id)
            done, stage = round(100 * job.report.progress), job.report.stage or job.status
            on_progress(done, 100, note=_left(job), title=stage)
    _show(job, as_json)
    if job.status != "finished":
        raise FailedJobError(f"Job {job.id} {job.status}: {job.report.message or 'no reason was given.'}")


def _show(job: JobView, as_json: bool) -> None:
    if as_json:
        echo_json(job.to_json())
        return
    report = job.report
    click.echo(f"{job.id}  {job.status}  {report.progress:.0%}  {_left(job)}".rstrip())
    click.echo(report.message)
    before, after = (report.metrics.get(when, {}) for when in ("before", "after"))
    for name, value in before.items():
        click.echo(
            f"  {name:<28} {value:>8.2f} -> {after[name]:>8.2f}"
            if name in after
            else f"  {name:<28} {value:>8.2f}"
        )


def _left(job: JobView) -> str:
    seconds = job.report.eta_seconds
    if seconds is None or job.has_ended:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"about {minutes} min {rest} s left" if minutes else f"about {rest} s left"
