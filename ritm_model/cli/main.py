"""`ritm`: one program whose commands are contributed by the packages as entry points."""

from __future__ import annotations

import os
import sys
from importlib.metadata import EntryPoint, entry_points

import click

from ritm_model.errors import RitmError

ENTRY_POINT_GROUP = "ritm.commands"

# OpenMP reads them when torch is loaded. Its threads would else wait busily, which beside any other busy
# process makes each step of a network many times slower.
WAIT_ASLEEP = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}


class CommandsFromPackages(click.Group):
    """A group whose commands are the `ritm.commands` entry points, imported when they are needed."""

    def _found(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return sorted(self._found())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        point = self._found().get(cmd_name)
        if point is None:
            return None
        command: click.Command = point.load()
        return command


@click.command(cls=CommandsFromPackages, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ritm")
def ritm() -> None:
    """Click-based interactive segmentation for annotation teams."""


def main() -> None:
    """Run the command line. Errors meant for people end it with one sentence and status 1."""
    for name, value in WAIT_ASLEEP.items():
        os.environ.setdefault(name, value)
    try:
        ritm()
    except RitmError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
