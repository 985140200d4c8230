"""Commands of `ritm models`: the versions in a registry, which of them is live, and who decides that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import click

from ritm_model.cli.options import as_json
from ritm_model.cli.output import echo_json, echo_table
from ritm_model.errors import shown

if TYPE_CHECKING:
    from ritm_ops.registry import LiveModel, Registry
    from ritm_ops.registry.trials import Trials

F = TypeVar("F", bound=Callable[..., object])


def _registry_option(command: F) -> F:
    return click.option(
        "--registry",
        "uri",
        envvar="RITM_REGISTRY",
        show_envvar=True,
        required=True,
        metavar="URI",
        help="Where versions lie: s3://bucket/prefix or a folder.",
    )(command)


def _by_option(command: F) -> F:
    return click.option("--by", default="", help="Who does it.  [the user and machine of this process]")(
        command
    )


def _why_options(command: F) -> F:
    return _by_option(click.option("--why", default="", help="A sentence for the history.")(command))


@click.command()
@click.argument("name")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@_registry_option
def publish(name: str, checkpoint: Path, uri: str) -> None:
    """Add a CHECKPOINT (.safetensors) of your own to the versions of NAME; `promote` makes it live."""
    click.echo(f"{_open(uri).publish(name, checkpoint, {})} is published.")


@click.command()
@click.argument("name")
@click.argument("version")
@click.option("--expected", metavar="VERSION", help="Only if this version is live now.  [whichever it is]")
@_why_options
@_registry_option
def promote(name: str, version: str, expected: str | None, by: str, why: str, uri: str) -> None:
    """Make the published VERSION of NAME live: servers take it up within seconds."""
    registry = _open(uri)
    if expected is None:
        live = registry.live(name)
        expected = live.version if live else None
    _echo_live(registry.promote(name, version, expected, by=by, why=why))


@click.command()
@click.argument("name")
@_why_options
@_registry_option
def rollback(name: str, by: str, why: str, uri: str) -> None:
    """Make live again what was live before the live version of NAME."""
    _echo_live(_open(uri).rollback(name, by=by, why=why))


@click.command()
@click.argument("name")
@_registry_option
@as_json
def candidates(name: str, uri: str, as_json: bool) -> None:
    """Show the versions of NAME that wait for `approve` or `reject`, with what was measured and tried."""
    from ritm_ops.registry.records import number_of

    registry = _open(uri)
    trial = _trials(uri).last(name)
    found = [
        (manifest, registry.report(name, manifest.version), registry.report_uri(name, manifest.version))
        for manifest in registry.candidates(name)
    ]
    if as_json:
        echo_json(
            [
                {
                    **manifest.model_dump(mode="json"),
                    "report": report,
                    "report_uri": where,
                    "trial": trial.model_dump(mode="json")
                    if trial and trial.version == manifest.version
                    else None,
                }
                for manifest, report, where in found
            ]
        )
        return
    if not found:
        click.echo("No version waits for a decision.")
        return
    rows: list[Sequence[str]] = [("VERSION", "PUBLISHED", "BASE", "NOC BEFORE", "NOC AFTER", "REPORT")]
    for manifest, report, where in found:
        rows.append(
            (
                manifest.version,
                f"{manifest.published_at:%Y-%m-%d %H:%M}",
                str(report.get("base", "-")),
                _clicks(number_of(report, "noc_before")),
                _clicks(number_of(report, "noc_after")),
                where,
            )
        )
    echo_table(rows)
    for manifest, report, _ in found:
        if "decision" in report:
            click.echo(f"{manifest.version}: {shown(report['decision'], 300)}")
        if trial and trial.version == manifest.version:
            click.echo(f"{manifest.version}: {trial.sentence}{'; ' if trial.outcome else ''}{trial.outcome}.")


@click.command()
@click.argument("name")
@click.argument("version")
@_why_options
@_registry_option
def approve(name: str, version: str, by: str, why: str, uri: str) -> None:
    """Make the candidate VERSION of NAME live: servers take it up within seconds."""
    _echo_live(_open(uri).approve(name, version, by=by, why=why))


@click.command()
@click.argument("name")
@click.argument("version")
@_why_options
@_registry_option
def reject(name: str, version: str, by: str, why: str, uri: str) -> None:
    """Decide that VERSION of NAME never becomes live by itself, nor another one with its weights."""
    _open(uri).reject(name, version, by=by, why=why)
    click.echo(f"{version} is rejected.")


@click.command()
@click.argument("name")
@click.argument("version")
@click.option(
    "--mode",
    type=click.Choice(["shadow", "canary"]),
    required=True,
    help="shadow: measured unseen; canary: answers a share of the objects, then live or rejected by itself.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.2,
    show_default=True,
    help="Share of the objects that it is tried on.",
)
@click.option(
    "--objects",
    type=click.IntRange(min=30),
    default=200,
    show_default=True,
    help="Accepted objects of the candidate after which the trial ends.",
)
@_by_option
@_registry_option
def trial(
    name: str, version: str, mode: Literal["shadow", "canary"], share: float, objects: int, by: str, uri: str
) -> None:
    """Try the candidate VERSION of NAME on annotators' work, beside the live version."""
    begun = _trials(uri).begin(name, version, mode, share=share, objects=objects, by=by)
    click.echo(f"{version} is on trial beside {begun.against or 'the base'}; {begun.sentence}.")


@click.command()
@click.argument("name")
@_why_options
@_registry_option
def end_trial(name: str, by: str, why: str, uri: str) -> None:
    """End the trial of NAME's candidate, which stays a candidate; servers let go of it within seconds."""
    ended = _trials(uri).end(name, by=by, why=why)
    click.echo(f"The trial of {ended.version} is ended; {ended.sentence}.")


@click.command()
@click.argument("name")
@_registry_option
@as_json
def history(name: str, uri: str, as_json: bool) -> None:
    """Show every version of NAME, the clicks that its accepted objects took, which one is live, and every
    change of that."""
    registry, counts = _open(uri), _trials(uri).counts(name)
    live, versions = registry.live(name), registry.versions(name)
    changes = live.history if live else ()
    if as_json:
        about = {
            "live": live.version if live else None,
            "versions": [manifest.model_dump(mode="json") for manifest in versions],
            "accepted": counts.model_dump(mode="json")["by_day"],
            "changes": [change.model_dump(mode="json") for change in changes],
        }
        echo_json(about)
        return
    rows: list[Sequence[str]] = [("VERSION", "PUBLISHED", "ACCEPTED", "CLICKS", "")]
    for manifest in versions:
        is_live = live is not None and manifest.version == live.version
        accepted = counts.of_version(manifest.version)
        rows.append(
            (
                manifest.version,
                f"{manifest.published_at:%Y-%m-%d %H:%M}",
                str(accepted.objects),
                _clicks(accepted.mean if accepted.objects else None),
                "live" if is_live else "",
            )
        )
    echo_table(rows)
    if not changes:
        click.echo("\nNo version is live.")
        return
    click.echo()
    rows = [("WHEN (UTC)", "CHANGE", "TO", "FROM", "NOC BEFORE", "NOC AFTER", "BY", "WHY")]
    for change in changes:
        rows.append(
            (
                f"{change.at:%Y-%m-%d %H:%M}",
                change.kind,
                change.version,
                change.previous or "-",
                _clicks(change.noc_before),
                _clicks(change.noc_after),
                change.by,
                change.why,
            )
        )
    echo_table(rows)


def _open(uri: str) -> Registry:
    from ritm_ops.object_store import open_store
    from ritm_ops.registry import Registry

    return Registry(open_store(uri))


def _trials(uri: str) -> Trials:
    from ritm_ops.object_store import open_store
    from ritm_ops.registry.trials import Trials

    return Trials(open_store(uri))


def _echo_live(live: LiveModel) -> None:
    before = live.history[-1].previous
    click.echo(f"{live.version} is live; before it was {before or 'no version'}.")


def _clicks(noc: float | None) -> str:
    return "-" if noc is None else f"{noc:.2f}"
