"""`ritm models pull`: fetch a released model."""

from __future__ import annotations

from typing import Any

import click

from ritm_model.cli.models import echo_saved
from ritm_model.cli.options import as_json
from ritm_model.cli.output import progress_bar
from ritm_model.errors import RitmError

BYTES: dict[str, Any] = {"unit": "B", "unit_scale": True, "unit_divisor": 1024}


@click.command()
@click.argument("name")
@click.option(
    "--url",
    "base_url",
    envvar="RITM_MODEL_MIRROR",
    show_envvar=True,
    metavar="BASE",
    help="Fetch the published file name from below this address instead of the original one.",
)
@click.option(
    "--attempts", default=5, show_default=True, type=click.IntRange(1, 100), help="Connections to try."
)
@click.option("--force", is_flag=True, help="Fetch it even if it is here already.")
@as_json
def pull(name: str, base_url: str | None, attempts: int, force: bool, as_json: bool) -> None:
    """Download the released model NAME, check it and convert it; goes on where it was interrupted."""
    from ritm_model.catalogue import catalogue, pulled_model_path
    from ritm_model.checkpoints import read_card
    from ritm_ops.pull import pull_model

    release = catalogue().release(name)
    if release is None:
        known = ", ".join(release.name for release in catalogue().models)
        raise RitmError(f"There is no released model '{name}'; known ones are {known}.")
    path = pulled_model_path(name)
    if path.is_file() and not force:
        card, outcome = read_card(path), "is here already"
    else:
        with progress_bar(name, hidden=as_json, **BYTES) as on_progress:
            card = pull_model(release, base_url=base_url, attempts=attempts, on_progress=on_progress)
        outcome = "is ready"
    echo_saved(card, path, outcome, as_json)
