"""Commands that other packages contribute as entry points, so that ritm_model need not import them."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click


class ContributedCommands(click.Group):
    """A group with its own commands and those of an entry-point group, imported when they are needed."""

    def __init__(self, *args: Any, contributed: str, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self._contributed = contributed

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._found()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        point = self._found().get(cmd_name)
        if own is not None or point is None:
            return own
        command: click.Command = point.load()
        return command

    def _found(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self._contributed)}
