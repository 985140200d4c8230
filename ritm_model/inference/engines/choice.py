"""Which engine runs a model: the one asked for, or the quickest here."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Literal, get_args

import torch

from ritm_model.inference.engines.compiled import CompiledEngine
from ritm_model.inference.engines.graph import EngineError
from ritm_model.inference.engines.openvino import open_openvino
from ritm_model.inference.engines.torch_engine import Engine, TorchEngine
from ritm_model.networks import InteractiveModel

EngineKind = Literal["auto", "torch", "compile", "openvino"]

PROBE_SIZE = (300, 400)  # (height, width): a common view
PROBE_RUNS, PROBE_SECONDS = 5, 1.0

_logger = logging.getLogger(__name__)


def engine_for(model: InteractiveModel, path: Path | None, device: str, version: str, kind: str) -> Engine:
    """Run a loaded model with an engine of some kind.

    "auto" measures those that are installed and ready within seconds: torch and, on a CPU, OpenVINO. It does
    not try "compile", which takes minutes to get ready.

    Args:
        model: is left as it is.
        path: its file, None for a network without one.
        device: "cpu", "cuda", …
        version: of the weights.
        kind: an `EngineKind`.

    Raises:
        EngineError: no such kind, or one that is not installed or not able to run this model here.
    """
    if kind == "openvino":
        if device != "cpu":
            raise EngineError(f"The engine openvino runs on the CPU, not on {device}; add --device cpu.")
        return open_openvino(model, path, version)
    if kind == "compile":
        return CompiledEngine(model, device, version)
    if kind not in get_args(EngineKind):
        raise EngineError(f"There is no engine '{kind}'; known ones are {', '.join(get_args(EngineKind))}.")
    by_torch = TorchEngine(model, device, version, path)
    return _quickest(by_torch, model, path) if kind == "auto" and device == "cpu" else by_torch


def _quickest(by_torch: TorchEngine, model: InteractiveModel, path: Path | None) -> Engine:
    version = by_torch.name
    if find_spec("openvino") is None:
        _logger.info("%s runs on torch: openvino, which is quicker on most CPUs, is not installed", version)
        return by_torch
    try:
        by_openvino = open_openvino(model, path, version)
    except EngineError as error:
        _logger.warning("%s runs on torch: %s", version, error)
        return by_torch
    torch_ms, openvino_ms = milliseconds(by_torch), milliseconds(by_openvino)
    chosen = by_openvino if openvino_ms < torch_ms else by_torch
    _logger.info(
        "%s runs on %s: %.0f ms by openvino, %.0f ms by torch for a view of %d x %d pixels",
        version,
        "openvino" if chosen is by_openvino else "torch",
        openvino_ms,
        torch_ms,
        *reversed(PROBE_SIZE),
    )
    return chosen


def milliseconds(engine: Engine) -> float:
    """The quickest of a few runs after a first one. Others on the machine only ever slow one down."""
    image_BCHW = torch.zeros(1, 3 + engine.with_prev_mask, *PROBE_SIZE)
    points_BP3 = torch.tensor([[[150.0, 200.0, 0.0], [-1.0, -1.0, -1.0]]])
    engine.run(image_BCHW, points_BP3)
    took: list[float] = []
    while len(took) < PROBE_RUNS and sum(took) < PROBE_SECONDS:
        start = perf_counter()
        engine.run(image_BCHW, points_BP3)
        took.append(perf_counter() - start)
    return min(took) * 1000
