"""`ritm models pull`: fetch a released model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ritm_model.cli.models import as_json, echo_saved
from ritm_model.errors import RitmError

if TYPE_CHECKING:
    from ritm_ops.download import Progress


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
        card, news = read_card(path), "is here already"
    else:
        with _progress_bar(name, hidden=as_json) as on_progress:
            card = pull_model(release, base_url=base_url, attempts=attempts, on_progress=on_progress)
        news = "is ready"
    echo_saved(card, path, news, as_json)


@contextmanager
def _progress_bar(name: str, *, hidden: bool) -> Iterator[Progress]:
    from tqdm import tqdm

    # disable=None: no bar where nobody watches, such as in a log file.
    with tqdm(desc=name, unit="B", unit_scale=True, unit_divisor=1024, disable=hidden or None) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
