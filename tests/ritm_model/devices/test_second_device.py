"""Everything that runs on a GPU, on a device that refuses to be mixed with the CPU; answers are the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from second_device import MixedDevices, done, second_device

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
from ritm_model.learning.recipes import Recipe, load_recipe
from ritm_model.learning.validation import questions
from ritm_model.networks import InteractiveModel, build, initialise

TESTS = Path(__file__).parents[2]
OPTIONS = PredictorOptions(
    zoom_in=ZoomIn(skip_clicks=1, target_size=64, min_crop_size=40), net_clicks_limit=1
)
INPUTS = {"with_prev_mask": True, "use_rgb_conv": False, "use_disks": True, "norm_radius": 5}
FAMILIES: dict[str, dict[str, Any]] = {
    "hrnet": {**INPUTS, "width": 2, "ocr_width": 4, "small": True, "with_aux_output": True},
    "lite": INPUTS,
}
CLICKS = (Click(30, 40), Click(10.5, 12, False))


@pytest.fixture
def device() -> Iterator[torch.device]:
    with second_device() as found:
        yield found


@pytest.fixture(scope="module")
def engines() -> tuple[TorchEngine, TorchEngine]:
    """The same network on the CPU and on the second device."""
    with second_device() as device:
        return TorchEngine(made("hrnet"), "cpu"), TorchEngine(made("hrnet"), str(device))


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (80, 96, 3), np.uint8)


def made(family: str) -> InteractiveModel:
    model = build(family, FAMILIES[family])
    initialise(model, torch.Generator().manual_seed(0), 1.0)
    return model


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


def small(family: str, *overrides: str) -> Recipe:
    """Three steps on small cuts of the samples."""
    return load_recipe(
        "starter",
        (
            f"model.family={family}",
            f"model.params={json.dumps(FAMILIES[family])}",
            "data.licence_classes=null",
            "data.source_weights={}",
            "data.crop=[64, 64]",
            "data.min_area=20",
            "clicks.max_next_clicks=2",
            "batch_size=2",
            "epochs=1",
            "epoch_samples=6",
            "log_steps=1",
            "optimiser.warmup=1",
            *overrides,
        ),
    )


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


@pytest.mark.parametrize(
    ("clicks", "overrides", "waits"),
    [
        (0, (), 1),
        (1, (), 4),
        (2, (), 5),
        (2, ("clicks.from_mask_prob=0.5", "clicks.prev_mask_dropout=0.5", "loss.instance=soft_iou"), 5),
    ],
)
def test_the_host_waits_for_a_step_once_and_for_each_click(
    clicks: int, overrides: tuple[str, ...], waits: int, device: torch.device, tmp_path: Path
) -> None:
    """Clicks are chosen on the CPU: truth and points are brought there once, the mask before each click."""
    recipe, world = small("lite", *overrides), World(device=device)
    samples = make_samples(recipe, open_data(recipe, TESTS / "samples").sources)
    trainer = Trainer(recipe, RunFolder(tmp_path), world)
    trainer.clicks_drawn = lambda random: clicks  # type: ignore[method-assign]
    counted = []
    for batch in islice(load(recipe, samples, 0, world), 2):
        before = replace(done)
        trainer.learn(batch)
        counted.append(done.waits - before.waits)
    assert counted == [waits, waits]


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
