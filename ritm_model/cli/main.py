"""`ritm`: one program whose commands are contributed by the packages as entry points."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import click

from ritm_model.cli.contributed import ContributedCommands
from ritm_model.errors import RitmError

# OpenMP reads them when torch is loaded. Its threads would else wait busily, which beside any other busy
# process makes each step of a network many times slower.
WAIT_ASLEEP = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}


@click.command(
    cls=ContributedCommands,
    contributed="ritm.commands",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="ritm")
def ritm() -> None:
    """Click-based interactive segmentation for annotation teams."""


def _echo_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Show people what is meant for them: FutureWarning, such as of an old name. Not those of libraries."""
    if category is FutureWarning:
        click.echo(f"Warning: {message}", err=True)


def main() -> None:
    """Run the command line. Errors meant for people end it with one sentence and status 1."""
    for name, value in WAIT_ASLEEP.items():
        os.environ.setdefault(name, value)
    warnings.showwarning = _echo_warning
    try:
        ritm()
    except RitmError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
