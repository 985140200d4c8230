"""The `ritm` program as a user meets it: help, errors and exit codes."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import click
import pytest

COMMANDS = {point.name: point for point in entry_points(group="ritm.commands")}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ritm_model", *arguments], capture_output=True, text=True, timeout=60
    )


def test_help_lists_every_command_with_a_sentence() -> None:
    result = run("--help")
    assert result.returncode == 0
    for name in COMMANDS:
        (line,) = [line for line in result.stdout.splitlines() if line.split()[:1] == [name]]
        assert len(line.split()) > 2, f"`ritm {name}` has no help sentence"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_a_click_command_with_help(name: str) -> None:
    command = COMMANDS[name].load()
    assert isinstance(command, click.Command)
    assert command.help


@pytest.mark.parametrize(
    ("command", "heavy"),
    [
        (["--help"], {"torch", "cv2", "flask", "numpy", "pydantic", "requests"}),
        (["models", "list"], {"torch", "cv2", "flask", "numpy", "requests"}),
    ],
)
def test_neither_torch_nor_the_web_framework_is_loaded_for(command: list[str], heavy: set[str]) -> None:
    program = (
        "import sys\n"
        "from ritm_model.cli.main import ritm\n"
        f"ritm({command}, standalone_mode=False)\n"
        f"heavy = {heavy} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr


def test_an_error_for_people_is_one_sentence_without_a_traceback(tmp_path) -> None:
    missing = tmp_path / "missing.jpg"
    result = run("predict", str(missing), "--click", "1,1", "--output", str(tmp_path / "mask.png"))
    assert result.returncode in (1, 2)
    assert "missing.jpg" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_command_is_a_usage_error() -> None:
    result = run("segmentify")
    assert result.returncode == 2
    assert "segmentify" in result.stderr
