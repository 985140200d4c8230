"""Turns any checkpoint that can be read into our format."""

from __future__ import annotations

from pathlib import Path

from ritm_model.catalogue import Architecture
from ritm_model.checkpoints.architecture import build_network
from ritm_model.checkpoints.card import ModelCard
from ritm_model.checkpoints.native import save_model
from ritm_model.checkpoints.reading import read_contents


def convert_model(
    source: str | Path,
    destination: str | Path,
    *,
    architecture: Architecture | str | None = None,
    half: bool = False,
    licence: str = "",
    trained_on: str = "",
) -> ModelCard:
    """Read `source` strictly and write it to `destination`, which ends in .safetensors.

    What the source's own card says is kept; `licence` and `trained_on` replace it where given. The new
    card names the source file and its SHA-256, unless the old one names an earlier source.

    Raises:
        CheckpointError: see `load_model` and `save_model`.
    """
    source = Path(source)
    contents = read_contents(source, architecture)
    model = build_network(contents.architecture, contents.state, str(source))
    training = contents.training
    changes = {"licence": licence or training.licence, "trained_on": trained_on or training.trained_on}
    if not training.source:
        changes |= {"source": source.name, "source_sha256": contents.sha256}
    return save_model(destination, model, training.model_copy(update=changes), half=half)
