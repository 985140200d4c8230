"""The folder of a run: what was asked for, on what, how it went, and where to go on.

recipe.yaml         the recipe in full
environment.json    versions, machine, git revision
metrics.jsonl       one JSON object per line, in the order of the steps
checkpoint.pt       everything that is needed to go on; written whole or not at all
model.safetensors   the model after the last finished epoch, with its card beside it
models/             those of earlier epochs that the recipe keeps
"""

from __future__ import annotations

import io
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ritm_model.errors import TrainingError
from ritm_model.files import UNFINISHED, parsing, write_file, writing
from ritm_model.learning.loop.distributed import World
from ritm_model.learning.recipes import Recipe, parse_recipe, recipe_yaml
from ritm_model.learning.recipes.resuming import Changes, resumed_with

PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless")


@dataclass(frozen=True, slots=True)
class RunFolder:
    path: Path

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.pt"

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    def kept_model(self, epoch: int) -> Path:
        return self.path / "models" / f"{epoch:03d}.safetensors"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    def prepare(self, recipe: Recipe, world: World, resume_with: Sequence[str] = ()) -> Changes:
        """Make the folder, or check that the one that is there belongs to this recipe.

        Args:
            recipe: of the run.
            world: that learns.
            resume_with: overrides in the recipe that change an earlier run on purpose.

        Returns:
            What they do change; `adopt` the recipe once that is in the checkpoint.

        Raises:
            TrainingError: it belongs to another recipe, or cannot be written.
        """
        changes: Changes = {}
        with writing(self.path, TrainingError):
            self.path.mkdir(parents=True, exist_ok=True)
            for half_written in self.path.glob(f"{UNFINISHED}*"):  # by a run that was killed at that moment
                half_written.unlink()
            if self.recipe.exists():
                earlier = parse_recipe(self.recipe.read_text(encoding="utf-8"), str(self.recipe))
                changes = resumed_with(earlier, recipe, resume_with, str(self.path))
            elif resume_with:
                raise TrainingError(f"There is no run in {self.path} to resume; use --set for a new one.")
            else:
                self.adopt(recipe)
            write_file(self.path / "environment.json", json.dumps(environment(world), indent=1))
        return changes

    def adopt(self, recipe: Recipe) -> None:
        """Make a recipe that of the run."""
        with writing(self.recipe, TrainingError):
            write_file(self.recipe, recipe_yaml(recipe))

    def save(self, path: Path, state: Mapping[str, Any]) -> None:
        """Write tensors and plain values. If that fails, what was there before is still whole."""
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        with writing(path, TrainingError):
            write_file(path, buffer.getvalue())

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The last checkpoint, None if there is none. Only tensors and plain values are read."""
        if not self.checkpoint.exists():
            return None
        with parsing(lambda error: TrainingError(f"{self.checkpoint} is damaged: {type(error).__name__}.")):
            state: dict[str, Any] = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        return state

    def log(self, values: Mapping[str, object]) -> None:
        """Add one line to the metrics."""
        with writing(self.metrics, TrainingError), self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")

    def logged(self) -> int:
        """How many bytes of metrics there are."""
        return self.metrics.stat().st_size if self.metrics.exists() else 0

    def truncate_metrics(self, size: int) -> None:
        """Drop metrics beyond so many bytes: they are of steps that will be made again."""
        if self.logged() > size:
            with self.metrics.open("r+b") as file:
                file.truncate(size)


def environment(world: World) -> dict[str, object]:
    """Versions and machine, as far as they may matter for the numbers."""
    return {
        "ritm": version("ritm"),
        "git": _git_revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": world.device.type,
        "processes": world.size,
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        **{name: version(name) for name in PACKAGES},
    }


def _git_revision() -> str | None:
    """The commit of the code, with a "+" if files were changed since; None outside a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=40", "--dirty=+"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
