"""From the name of a model to a predictor that answers clicks."""

from __future__ import annotations

from pathlib import Path

import torch

from ritm_model.checkpoints import load_model, model_version, resolve_model
from ritm_model.errors import RitmError
from ritm_model.inference.engines.choice import engine_for
from ritm_model.inference.engines.torch_engine import TorchEngine
from ritm_model.inference.options import PredictorOptions
from ritm_model.inference.predictor import Predictor
from ritm_model.networks import InteractiveModel, Viewing


def open_predictor(
    model: str | Path | InteractiveModel = "bundled",
    device: str = "auto",
    options: PredictorOptions | None = None,
    *,
    engine: str = "torch",
) -> Predictor:
    """Load a model and make it ready for clicks.

    Args:
        model: "bundled", the name of a pulled model, the path of a checkpoint, or a network, which is left
            as it is.
        device: "auto" takes a GPU if there is one; otherwise "cpu", "cuda", "cuda:1", …
        options: the serving profile that suits the network, unless given.
        engine: "torch", which opens at once; "openvino" or "compile"; "auto" for the quickest one here.

    Raises:
        CheckpointError: no such model, or a file that cannot be read.
        EngineError: no such engine, or one that is not installed or cannot run this model.
        RitmError: no such device.
    """
    chosen = chosen_device(device)
    if isinstance(model, InteractiveModel):
        unsaved = engine_for(model, None, chosen, f"{model.family}-unsaved", engine)
        return Predictor(unsaved, options or PredictorOptions.serving(model.viewing))
    path = resolve_model(model)
    network = load_model(path)
    opened = engine_for(network, path, chosen, model_version(path), engine)
    return Predictor(opened, options or PredictorOptions.serving(network.viewing))


def viewing_of(model: str | Path) -> Viewing:
    """How photographs are best shown to the network of a checkpoint.

    Raises:
        CheckpointError: no such model, or a file that cannot be read.
    """
    return load_model(resolve_model(model)).viewing


def open_engine(model: str | Path = "bundled", device: str = "auto") -> TorchEngine:
    """Load a model for torch, by the rules of `open_predictor`."""
    path = resolve_model(model)
    chosen = chosen_device(device)
    return TorchEngine(load_model(path), chosen, model_version(path), path)


def chosen_device(device: str) -> str:
    """The device to use for what the user asked for."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device)
    except RuntimeError:
        raise RitmError(f"'{device}' is not a device; use auto, cpu, cuda or cuda:0.") from None
    if kind.type == "cuda" and (kind.index or 0) >= torch.cuda.device_count():
        raise RitmError(f"There is no GPU '{device}' on this machine; use --device cpu.")
    return device
