"""Who only answers clicks holds the weights once; who needs the network's parts gets it as it was."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn

from ritm_model.checkpoints import CheckpointError, bundled_model_path, load_model
from ritm_model.inference import Engine, TorchEngine, open_predictor
from ritm_model.inference.brs import open_brs_predictor
from ritm_model.inference.engines.openvino import OpenVinoEngine
from ritm_model.networks import InteractiveModel

IMAGE = torch.rand(1, 4, 61, 83, generator=torch.Generator().manual_seed(0))
POINTS = torch.tensor([[[20.0, 30.5, 0.0], [-1.0, -1.0, -1.0]]])


def parts_reached(start: object) -> Iterator[nn.Module]:
    """All modules that an object holds, by whatever way."""
    seen, left = {id(start)}, [start]
    while left:
        each = left.pop()
        if isinstance(each, nn.Module):
            yield each
        for other in gc.get_referents(each):
            is_shared_by_all = isinstance(other, type) or hasattr(other, "__globals__") or other is globals()
            if id(other) not in seen and not is_shared_by_all and type(other).__name__ != "module":
                seen.add(id(other))
                left.append(other)


def weights_held(engine: Engine) -> int:
    """Bytes of all weights that an engine reaches."""
    tensors = {
        tensor.data_ptr(): tensor.nbytes
        for module in parts_reached(engine)
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False))
    }
    return sum(tensors.values())


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The bundled model as somebody's own file."""
    for suffix in (".safetensors", ".json"):
        shutil.copy(bundled_model_path().with_suffix(suffix), tmp_path)
    return tmp_path / bundled_model_path().name


def opened(weights: Path, kind: str = "torch") -> TorchEngine | OpenVinoEngine:
    engine = open_predictor(weights, "cpu", engine=kind).engine
    assert isinstance(engine, TorchEngine | OpenVinoEngine)
    return engine


def bytes_of(model: InteractiveModel) -> int:
    return sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))


def test_opening_holds_the_weights_once(weights: Path) -> None:
    whole = bytes_of(load_model(weights))
    engine = opened(weights)
    assert 0.8 * whole < weights_held(engine) <= 1.05 * whole
    model = engine.model
    assert bytes_of(model) == whole
    assert weights_held(engine) <= 1.05 * whole, "whoever asked holds it, not the engine"
    without_file = TorchEngine(load_model(weights))
    assert weights_held(without_file) > 1.8 * whole, "there is nothing to read it from again"


@pytest.mark.slow
def test_openvino_holds_no_weights_of_torch(weights: Path) -> None:
    assert weights_held(opened(weights, "openvino")) == 0


@pytest.mark.parametrize("kind", ["torch", pytest.param("openvino", marks=pytest.mark.slow)])
def test_the_model_is_as_in_its_file_and_the_same_for_all_who_hold_it(weights: Path, kind: str) -> None:
    engine = opened(weights, kind)
    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(lambda _: engine.model, range(4))
    assert all(other is first for other in others)
    assert not first.training
    assert not any(parameter.requires_grad for parameter in first.parameters())
    expected = load_model(weights).state_dict()
    found = first.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("with_file", [True, False])
def test_a_changed_model_changes_no_answer(weights: Path, with_file: bool) -> None:
    given = load_model(weights).requires_grad_(True).train()
    engine = opened(weights) if with_file else TorchEngine(given)
    before = engine.run(IMAGE, POINTS)
    model = engine.model
    for parameter in (*model.parameters(), *given.parameters()):
        parameter.data.zero_()
    assert torch.equal(engine.run(IMAGE, POINTS), before)
    assert before.any()
    assert given.training
    assert all(parameter.requires_grad for parameter in given.parameters())


def test_other_weights_in_the_file_are_refused_in_a_sentence(weights: Path) -> None:
    engine = opened(weights)
    before = engine.run(IMAGE, POINTS)
    other = Path(__file__).parents[3] / "models/tiny-discs.safetensors"
    for suffix in (".safetensors", ".json"):
        shutil.copy(other.with_suffix(suffix), weights.with_suffix(suffix))
    with pytest.raises(CheckpointError, match="other weights"):
        _ = engine.model
    weights.unlink()
    with pytest.raises(CheckpointError):
        _ = engine.model
    assert torch.equal(engine.run(IMAGE, POINTS), before)


def test_brs_keeps_the_model_it_adapts(weights: Path) -> None:
    predictor = open_brs_predictor(weights, "cpu", mode="RGB-BRS")
    assert isinstance(predictor.engine, TorchEngine)
    weights.unlink()
    assert predictor.engine.model is predictor.engine.model
