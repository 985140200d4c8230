"""cuDNN looks for its quickest algorithms while a run goes on on a GPU, neither elsewhere nor afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny_recipe import HRNET, SHORT

from ritm_model.learning.loop.callbacks import Callback
from ritm_model.learning.loop.distributed import joined
from ritm_model.learning.loop.loop import train
from ritm_model.learning.loop.trainer import Trainer
from ritm_model.learning.recipes import load_recipe
from ritm_model.learning.step.convolutions import quickest_convolutions

GPU, CPU = torch.device("cuda"), torch.device("cpu")
cudnn = torch.backends.cudnn


@pytest.fixture(autouse=True, params=[False, True])
def before(request: pytest.FixtureRequest) -> Iterator[bool]:
    """What whoever calls us has set; it stands again afterwards."""
    cudnn.benchmark = request.param
    yield request.param
    found, cudnn.benchmark = cudnn.benchmark, False
    assert found == request.param


def test_on_a_gpu_and_only_within_the_block() -> None:
    with quickest_convolutions(GPU):
        assert cudnn.benchmark
    with pytest.raises(KeyError), quickest_convolutions(GPU):
        raise KeyError


def test_on_a_processor_nothing_changes(before: bool) -> None:
    with quickest_convolutions(CPU):
        assert cudnn.benchmark == before


@pytest.mark.parametrize("by", ["cudnn", "torch"])
def test_who_asks_for_determinism_keeps_it(by: str, before: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if by == "cudnn":
        monkeypatch.setattr(cudnn, "deterministic", True)
    else:
        torch.use_deterministic_algorithms(True)
    try:
        with quickest_convolutions(GPU):
            assert cudnn.benchmark == before
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_run_on_a_gpu_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with joined("auto", {}) as world:
        assert world.device.type == "cuda"
        assert cudnn.benchmark


class Watch(Callback):
    seen: bool | None = None

    def after_step(self, trainer: Trainer) -> None:
        assert trainer.world.device == CPU
        self.seen = cudnn.benchmark


def test_a_run_on_a_processor_leaves_it(before: bool, tmp_path: Path) -> None:
    recipe = load_recipe("starter", [*SHORT, *HRNET, "epoch_samples=2", "device=cpu"])
    watch = Watch()
    train(recipe, Path(__file__).parents[3] / "samples", tmp_path, callbacks=[watch])
    assert watch.seen == before
