"""Our own format: `<name>.safetensors` with the weights and `<name>.json` with the card beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ritm_model.checkpoints.card import SUFFIX, ModelCard, TrainingCard, card_path, sha256_hex
from ritm_model.errors import CheckpointError
from ritm_model.files import write_file, writing
from ritm_model.networks import InteractiveModel


def parse_safetensors(data: bytes, source: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file, given as its bytes."""
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, KeyError, ValueError, RuntimeError):  # KeyError: a dtype that torch lacks
        raise CheckpointError(f"{source} is cut off, damaged, or not a safetensors file.") from None


def save_model(
    path: str | Path, model: InteractiveModel, training: TrainingCard | None = None, *, half: bool = False
) -> ModelCard:
    """Write a model in our format: `path`, which ends in .safetensors, and the card beside it.

    A reader meets either the old files or the new ones; only between the two renames could it find
    an old card beside new weights, and then the hash tells.

    Args:
        path: its stem becomes the model's name; the folder is made if need be.
        model: on any device; saved in float32, or float16 if `half`.
        training: where the weights come from.
        half: halve the size of the file at a relative precision of about 0.0005 per weight.

    Returns:
        The card as written.

    Raises:
        CheckpointError: wrong suffix, weights that are not finite, or the files cannot be written.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise CheckpointError(f"{path} must end in {SUFFIX}.")
    dtype = torch.float16 if half else torch.float32
    state = _as_dtype(model.state_dict(), dtype)
    if not all(tensor.isfinite().all() for tensor in state.values()):
        raise CheckpointError(f"{path} would hold weights that are not finite{' in half precision' * half}.")
    data = safetensors.torch.save(state)
    card = ModelCard(
        name=path.stem,
        family=model.family,
        params=model.params,
        sha256=sha256_hex(data),
        training=training or TrainingCard(),
    )
    with writing(path, CheckpointError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, data)
        write_file(card_path(path), card.model_dump_json(indent=1) + "\n")
    return card


def _as_dtype(state: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {
        key: tensor.to("cpu", dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
        for key, tensor in state.items()
    }
