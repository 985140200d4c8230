"""Everything that runs on a GPU, on a device that refuses to be mixed with the CPU; answers are the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from second_device import MixedDevices, second_device
from small_runs import TESTS, made, small

from ritm_model.checkpoints import TrainingCard, load_model
from ritm_model.clicks import Click
from ritm_model.evaluation import EvaluationProtocol, evaluate
from ritm_model.inference import Predictor, PredictorOptions, ReferencePredictor, TorchEngine, ZoomIn
from ritm_model.inference.brs import BRS_MODES, BRSPredictor, ReferenceBRSPredictor
from ritm_model.inference.engines.openvino import converted
from ritm_model.learning.data import make_samples
from ritm_model.learning.loop.distributed import World
from ritm_model.learning.loop.loop import load
from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.loop.trainer import Trainer
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.validation import questions

OPTIONS = PredictorOptions(
    zoom_in=ZoomIn(skip_clicks=1, target_size=64, min_crop_size=40), net_clicks_limit=1
)
CLICKS = (Click(30, 40), Click(10.5, 12, False))


@pytest.fixture(scope="module")
def engines() -> tuple[TorchEngine, TorchEngine]:
    """The same network on the CPU and on the second device."""
    with second_device() as device:
        return TorchEngine(made("hrnet"), "cpu"), TorchEngine(made("hrnet"), str(device))


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (80, 96, 3), np.uint8)


def plain(engine: TorchEngine) -> Predictor:
    return Predictor(engine, OPTIONS)


def reference(engine: TorchEngine) -> Predictor:
    return ReferencePredictor(engine, OPTIONS)


def brs(mode: str, kind: type[BRSPredictor]) -> Callable[[TorchEngine], Predictor]:
    def opened(engine: TorchEngine) -> Predictor:
        return kind(engine, BRS_MODES[mode].adaptation(engine.model), OPTIONS, evaluations=2)

    return opened


PREDICTORS = {
    "plain": plain,
    "reference": reference,
    **{mode: brs(mode, BRSPredictor) for mode in BRS_MODES},
    "reference f-BRS-B": brs("f-BRS-B", ReferenceBRSPredictor),
}


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("name", PREDICTORS)
def test_predictors_answer_as_on_the_cpu(
    name: str, engines: tuple[TorchEngine, TorchEngine], image: np.ndarray
) -> None:
    expected, answered = (
        predictor.replay(predictor.start(image), CLICKS).probability
        for predictor in map(PREDICTORS[name], engines)
    )
    np.testing.assert_allclose(answered, expected, atol=2e-3)


@dataclass(frozen=True)
class Square:
    """A sample whose object is a square."""

    image_HW3: np.ndarray
    name: str = "square"
    category: str | None = None

    @property
    def mask(self) -> np.ndarray:
        mask_HW = np.zeros(self.image_HW3.shape[:2], np.int8)
        mask_HW[20:60, 20:60] = 1
        return mask_HW

    def load_image(self) -> np.ndarray:
        return self.image_HW3


class Squares(list):
    name = "squares"


@pytest.mark.usefixtures("device")
def test_evaluation(engines: tuple[TorchEngine, TorchEngine], image: np.ndarray) -> None:
    options = replace(OPTIONS, zoom_in=ZoomIn(skip_clicks=-1, target_size=(64, 64)), with_flip=False)
    protocol = EvaluationProtocol(options=options, max_clicks=2)
    squares = Squares([Square(image), Square(image[::-1].copy())])
    found = evaluate("m", lambda: Predictor(engines[1], options), squares, protocol)
    assert [len(sample.ious) for sample in found.samples] == [2, 2]


@pytest.mark.parametrize(
    ("family", "overrides"),
    [
        ("hrnet", ()),
        ("hrnet", ("clicks.from_mask_prob=0.5", "clicks.prev_mask_dropout=0.5", "optimiser.name=sgd")),
        ("hrnet", ("loss.instance=soft_iou", "channels_last=false", "sync_batchnorm=false")),
        ("lite", ("optimiser.ema_decay=null",)),
    ],
)
def test_training_validation_and_going_on(
    family: str, overrides: tuple[str, ...], device: torch.device, tmp_path: Path
) -> None:
    recipe = small(family, *overrides)
    world = World(device=device)
    found = open_data(recipe, TESTS / "samples")
    trainer = Trainer(recipe, RunFolder(tmp_path), world)
    for batch in islice(load(recipe, make_samples(recipe, found.sources), 0, world), 2):
        trainer.learn(batch)
    trainer.finish_epoch(questions(found.held_out, 1), TrainingCard())
    assert load_model(trainer.folder.model).device.type == "cpu"

    again = Trainer(recipe, RunFolder(tmp_path), world)
    again.resume()
    assert again.model.device == device
    for batch in load(recipe, make_samples(recipe, found.sources), again.step, world):
        again.learn(batch)
    assert again.step == 3


def test_a_network_on_a_device_is_exported_from_a_copy_on_the_cpu(device: torch.device) -> None:
    model = made("hrnet").to(device)
    assert converted(model)
    assert model.device == device


@pytest.mark.parametrize(
    "mix",
    [
        lambda there, here: there + here,
        lambda there, here: torch.cat([there, here]),
        lambda there, here: torch.where(there > 0, there, here),
        lambda there, here: here[there > 0],
        lambda there, here: torch.nn.functional.linear(there, here[None]),
        lambda there, here: here.clone().add_(there),
    ],
)
def test_the_device_refuses_to_be_mixed(
    mix: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], device: torch.device
) -> None:
    here = torch.ones(3)
    there = here.to(device)
    assert torch.equal(mix(here, here), mix(there, here.to(device)).cpu())
    with pytest.raises(MixedDevices):
        mix(there, here)
    with pytest.raises(RuntimeError, match="numpy"):
        there.numpy()
