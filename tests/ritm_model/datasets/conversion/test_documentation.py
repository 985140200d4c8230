"""The page about data sets names every converter, and the commands that it shows can be given."""

import re
import shlex
from pathlib import Path

import click
import pytest

from ritm_model.cli.dataset import dataset

PAGE = (Path(__file__).parents[4] / "docs/models/datasets.md").read_text()
COMMANDS = re.findall(r"^ritm dataset (.*)$", PAGE, flags=re.MULTILINE)


def test_every_converter_is_in_the_table():
    assert set(re.findall(r"^\| `([\w-]+)` \| ", PAGE.split("## Converters")[1], flags=re.MULTILINE)) == set(
        dataset.commands
    )


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_that_it_shows_can_be_given(line):
    name, *arguments = shlex.split(line, comments=True)
    command = dataset.commands[name]
    context = command.make_context(name, arguments)
    assert isinstance(context, click.Context)
