"""How often a GPU is asked to compute, and how often the host waits for it: counted, and bounded.

A launch takes the host some microseconds, which is longer than a GPU needs for most layers of a small
network. So nothing is launched for each sample of a batch, and a click or a step gets more launches only
where somebody raises the numbers here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from second_device import Work, done
from small_runs import TESTS, made, small

from ritm_model.clicks import Click
from ritm_model.inference import Predictor, PredictorOptions, TorchEngine
from ritm_model.learning.data import make_samples
from ritm_model.learning.loop.distributed import World
from ritm_model.learning.loop.loop import load
from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.loop.trainer import Trainer
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.validation import questions, validate

CLICKS = (Click(30, 40), Click(10.5, 12, False), Click(50, 20), Click(70, 60, False))
RUN = {"hrnet": 430, "lite": 160}  # launches of a network at most; 423 and 154 with PyTorch 2.14
VIEW = 20  # of a view of a photograph on the device, and of its logits; 13 and 17 with the mirror image
STEP = 1630  # of a step of `lite` with SGD; 1,575 with PyTorch 2.14
CORRECTION = 220  # of a simulated click: a run of the network as it is, 215 with PyTorch 2.14


@contextmanager
def counted() -> Iterator[Work]:
    """The work within the block, known after it."""
    before, work = replace(done), Work()
    yield work
    for name, value in asdict(done).items():
        setattr(work, name, value - getattr(before, name))


@pytest.mark.parametrize("family", RUN)
def test_a_click_is_one_run_of_the_network_one_upload_and_one_wait(family: str, device: torch.device) -> None:
    engine = TorchEngine(made(family), str(device))
    runs = []
    for batch, side in ((1, 64), (2, 64), (8, 96)):
        with counted() as work:
            engine.run(torch.rand(batch, 4, side, side), torch.full((batch, 8, 3), 9.0))
        runs.append(work)
    assert [work.waits for work in runs] == [0, 0, 0]
    launches = [work.launches for work in runs]
    assert launches == launches[:1] * 3, "whatever the size of the batch and of the views"
    assert launches[0] <= RUN[family]

    predictor = Predictor(engine, PredictorOptions.serving(engine.model.viewing))
    image_HW3 = np.random.default_rng(0).integers(0, 256, (800, 960, 3), np.uint8)
    state = predictor.start(image_HW3)
    for number, click in enumerate(CLICKS):
        with counted() as work:
            state = predictor.click(state, Click(10 * click.x, 10 * click.y, click.is_positive))
        assert work.launches <= launches[0] + VIEW
        assert work.waits == 1
        is_first = number == 0
        assert work.uploads == 1 + is_first, "the photograph once, and what belongs to the click"
        height, width = state.prediction.soft.values_hw.shape
        tables_and_points = 12 * (height + width) + 2 * 4 * 3 * 2 * 4
        assert work.uploaded <= 4 * height * width + tables_and_points + is_first * image_HW3.nbytes


@pytest.mark.parametrize(
    ("clicks", "overrides", "waits"),
    [
        (0, (), 1),
        (1, (), 2),
        (2, (), 3),
        (2, ("clicks.from_mask_prob=0.5", "clicks.prev_mask_dropout=0.5", "loss.instance=soft_iou"), 3),
    ],
)
def test_the_host_waits_for_a_step_once_and_for_each_click(
    clicks: int, overrides: tuple[str, ...], waits: int, device: torch.device, tmp_path: Path
) -> None:
    """Clicks are chosen on the CPU, where truth and points still are; the mask is brought there for each."""
    works = works_of_steps(clicks, ("optimiser.name=sgd", *overrides), device, tmp_path)
    assert [work.waits for work in works] == [waits, waits]
    assert works[0].launches <= STEP + clicks * CORRECTION


def test_a_step_is_launched_for_all_samples_at_once(device: torch.device, tmp_path: Path) -> None:
    two, four = (
        works_of_steps(1, (f"batch_size={size}", "epoch_samples=8"), device, tmp_path / str(size))
        for size in (2, 4)
    )
    assert two == four


def test_a_validation_asks_for_all_objects_at_once(device: torch.device) -> None:
    model, world = made("lite").to(device), World(device=device)
    asked = questions(open_data(small("lite", "data.validation_share=0.4"), TESTS / "samples").held_out, 4)
    works = []
    for objects in (2, 4):
        with counted() as work:
            validate(model, asked[:objects], (64, 64), 2, world, at_once=4)
        works.append(work)
    assert works[0] == works[1]


def works_of_steps(clicks: int, overrides: tuple[str, ...], device: torch.device, folder: Path) -> list[Work]:
    """The first two steps, each with so many simulated clicks."""
    recipe, world = small("lite", *overrides), World(device=device)
    samples = make_samples(recipe, open_data(recipe, TESTS / "samples").sources)
    folder.mkdir(exist_ok=True)
    trainer = Trainer(recipe, RunFolder(folder), world)
    trainer.clicks_drawn = lambda random: clicks  # type: ignore[method-assign]
    works = []
    for batch in islice(load(recipe, samples, 0, world), 2):
        with counted() as work:
            trainer.learn(batch)
        works.append(work)
    return works
