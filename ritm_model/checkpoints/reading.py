"""One way in for every kind of checkpoint file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ritm_model.catalogue import Architecture
from ritm_model.checkpoints.architecture import build_network, named_architecture
from ritm_model.checkpoints.card import (
    SUFFIX,
    TrainingCard,
    card_path,
    read_bytes,
    read_card_file,
    sha256_hex,
)
from ritm_model.checkpoints.locate import resolve_model
from ritm_model.checkpoints.native import parse_safetensors
from ritm_model.checkpoints.paper import read_torch_file
from ritm_model.checkpoints.recognised import by_beginning, by_keys
from ritm_model.errors import CheckpointError
from ritm_model.networks import InteractiveModel


@dataclass(frozen=True)
class Contents:
    """What a file holds, not yet checked against each other."""

    architecture: Architecture
    state: dict[str, Tensor]
    sha256: str
    training: TrainingCard


def load_model(
    model: str | Path = "bundled", device: str = "cpu", *, architecture: Architecture | str | None = None
) -> InteractiveModel:
    """Load a checkpoint: our format, the paper's `.pth`, or a plain state dict.

    Args:
        model: "bundled", the name of a pulled model, or a path: of a `.safetensors` file with the card
            beside it, or of a file of `torch.save`.
        device: where the model goes, such as "cpu" or "cuda:0".
        architecture: for plain state dicts only, which do not say what they fit into: the name of one
            in the catalogue, such as "hrnet18s-itm", or one spelt out.

    Returns:
        The model in eval mode, float32, without gradients.

    Raises:
        CheckpointError: missing, damaged or hostile file, a hash that does not match, missing or extra
            keys, wrong shapes, unknown or absurd parameters. Nothing from the file is executed.
    """
    path = model if isinstance(model, Path) else resolve_model(model)
    contents = read_contents(path, architecture)
    return build_network(contents.architecture, contents.state, str(path)).to(device)


def read_contents(path: Path, architecture: Architecture | str | None = None) -> Contents:
    """Read a file of any known kind; see `load_model` for the arguments and errors."""
    given = named_architecture(architecture) if isinstance(architecture, str) else architecture
    data = read_bytes(path)
    if what := by_beginning(data, is_safetensors=path.suffix == SUFFIX):
        raise CheckpointError(f"{path} {what}.")
    sha256 = sha256_hex(data)
    training = TrainingCard()
    own: Architecture | None = None
    if path.suffix == SUFFIX:
        if given is None and not card_path(path).exists():
            raise CheckpointError(
                f"{path} has no card: put {card_path(path).name}, which belongs to it, into the same folder."
            )
        if card_path(path).exists():
            card = read_card_file(card_path(path))
            if card.sha256 != sha256:
                raise CheckpointError(f"{path} is damaged: its SHA-256 is not the one in its card.")
            own, training = Architecture(family=card.family, params=card.params), card.training
        state = parse_safetensors(data, str(path))
    else:
        own, state = read_torch_file(data, str(path))
    if own is not None and given is not None:
        raise CheckpointError(f"{path} says itself what its architecture is; do not give another.")
    chosen = own or given
    if chosen is None and (what := by_keys(state)):
        raise CheckpointError(f"{path} {what}.")
    if chosen is None:
        raise CheckpointError(f"{path} holds weights only; say which architecture they are for.")
    return Contents(chosen, state, sha256, training)
