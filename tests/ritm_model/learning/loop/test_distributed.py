"""Processes that share every batch end with the weights that one process would have had."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import preloaded
import pytest
import torch
from backend import RITM
from torch import distributed, nn

from ritm_model.errors import TrainingError
from ritm_model.learning.data import make_samples
from ritm_model.learning.loop.distributed import World, device_named
from ritm_model.learning.loop.loop import train
from ritm_model.learning.loop.normalisation import SharedBatchNorm2d, keep_statistics, synchronise
from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.recipes import load_recipe
from ritm_model.learning.step.step import Batch
from ritm_model.networks import build

# A network without dropout, whose random numbers depend on how a batch is shared, and plain gradient descent,
# which does not blow up differences by rounding.
RECIPE = (
    "data.licence_classes=null",
    "data.source_weights={}",
    "data.validation_share=0.3",
    "data.crop=[64, 64]",
    "data.min_area=20",
    "data.paste_prob=0",
    "validation={objects: 3, clicks: 1}",
    "optimiser={name: sgd, learning_rate: 0.001, clip_norm: 1.0, ema_decay: 0.9}",
    "batch_size=4",
    "epochs=1",
    "epoch_samples=8",
    "checkpoint_steps=1",
    "log_steps=1",
    "device=cpu",
)


def words(pack: Path, out: Path, *more: str) -> list[str]:
    settings = [word for override in RECIPE for word in ("--set", override)]
    return ["train", "starter", "--data", str(pack), "--out", str(out), *settings, *more]


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return preloaded.run([program, *arguments], os.environ)


def state(folder: Path) -> dict[str, torch.Tensor]:
    saved = RunFolder(folder).load_checkpoint()
    assert saved is not None
    assert (saved["step"], saved["epoch"]) == (2, 1)
    return {**saved["model"], **{f"ema.{key}": value for key, value in saved["ema"].items()}}


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def alone(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of one process."""
    folder = tmp_path_factory.mktemp("alone")
    train(load_recipe("starter", RECIPE), pack, folder)
    return folder


def assert_same_run(folder: Path, other: Path) -> None:
    ours, theirs = state(folder), state(other)
    assert ours.keys() == theirs.keys()
    for key in ours:
        torch.testing.assert_close(ours[key], theirs[key], rtol=1e-3, atol=1e-3, msg=key)
    for line, expected in zip(lines(folder), lines(other), strict=True):
        assert line.keys() == expected.keys()
        for name in line.keys() - {"samples_per_second"}:
            assert line[name] == pytest.approx(expected[name], rel=1e-2, abs=1e-2), name


@pytest.mark.slow
def test_two_processes_learn_what_one_does(alone: Path, pack: Path, tmp_path: Path) -> None:
    done = run(RITM, *words(pack, tmp_path, "--processes", "2", "--json"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 2
    assert "Warning" not in done.stderr
    assert json.loads((tmp_path / "environment.json").read_text())["processes"] == 2
    assert_same_run(tmp_path, alone)


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_run_which_goes_on_under_torchrun(
    alone: Path, pack: Path, tmp_path: Path
) -> None:
    script = Path(__file__).parent / "killed_run.py"
    killed = run(script, "trainer.Trainer.learn, after=2", *words(pack, tmp_path, "--processes", "2"))
    assert killed.returncode != 0
    assert "Process 2 of 2 was ended by SIGKILL, so the run ends." in killed.stderr

    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "ritm_model"]
    command = [sys.executable, *torchrun, *words(pack, tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("The model is") == 1
    assert not list(tmp_path.glob(".ritm-*"))  # nothing half-written
    assert_same_run(tmp_path, alone)


@pytest.mark.slow
def test_what_breaks_for_any_process_is_counted_for_all(pack: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    shutil.copytree(pack, data)
    gone = sorted((data / "images").iterdir())[:6]
    for photograph in gone:
        photograph.unlink()
    changes = ("data.max_broken_share=1", "data.validation_share=0")
    more = [word for change in changes for word in ("--set", change)]
    done = run(RITM, *words(data, out, "--processes", "2", *more))
    assert done.returncode == 0, done.stderr
    recipe = load_recipe("starter", [*RECIPE, *changes])
    samples = make_samples(recipe, open_data(recipe, data).sources)
    broken = [sample.broken for number in range(8) if isinstance(sample := samples[number], Batch)]
    assert not any(broken[4:6])  # of the second batch, the first process needs nothing that is missing
    assert any(broken[6:8])
    expected = [reason for reasons in broken for reason in reasons]
    saved = RunFolder(out).load_checkpoint()
    assert saved is not None
    assert saved["broken"] == {"samples": len(expected), "reasons": tuple(dict.fromkeys(expected))}
    assert all(done.stderr.count(f"{reason} Other samples") == 1 for reason in expected)


@pytest.mark.slow
def test_a_sentence_of_one_process_is_the_sentence_of_the_run(pack: Path, tmp_path: Path) -> None:
    done = run(RITM, *words(pack, tmp_path, "--processes", "2", "--set", "batch_size=3"))
    assert done.returncode == 1
    sentence = "Error: A batch_size of 3 cannot be shared evenly by 2 processes."
    assert done.stderr.strip().splitlines()[-1] == sentence
    assert "SIGTERM" not in done.stderr  # how the other process ended is of no interest


@pytest.fixture
def one_process_group() -> Iterator[None]:
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("one_process_group")
def test_shared_normalisation_is_normalisation() -> None:
    torch.manual_seed(0)
    shared, plain = SharedBatchNorm2d(3), nn.BatchNorm2d(3)
    for layer in (shared, plain):
        layer.load_state_dict({**layer.state_dict(), "weight": torch.tensor([1.0, 2.0, -0.5])})
    values = 5 + 3 * torch.randn(4, 3, 5, 6)
    seen = [values.clone().requires_grad_(), values.clone().requires_grad_()]
    answers = [layer(each) for layer, each in zip((shared, plain), seen, strict=True)]
    torch.testing.assert_close(*answers)
    for answer in answers:
        (answer * torch.linspace(-1, 1, answer.numel()).view_as(answer)).sum().backward()
    torch.testing.assert_close(seen[0].grad, seen[1].grad)
    torch.testing.assert_close(shared.weight.grad, plain.weight.grad)
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(shared.state_dict()[key], value)
    torch.testing.assert_close(shared.eval()(values), plain.eval()(values))


def test_statistics_that_are_kept_come_back_exactly() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
    model(torch.rand(4, 3, 5, 5))
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    put_back = keep_statistics(model)
    model(torch.full((4, 3, 5, 5), torch.nan))
    assert model[0].running_mean.isnan().all()
    put_back()
    after = dict(model.named_buffers())
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert {buffer.dtype for buffer in after.values()} == {torch.float32, torch.int64}


def test_synchronised_models_keep_their_keys() -> None:
    model = build("mobile", {})
    keys = list(model.state_dict())
    synchronise(model, World())
    assert not any(isinstance(module, SharedBatchNorm2d) for module in model.modules())
    synchronise(model, World(0, 2))
    assert list(model.state_dict()) == keys
    kinds = {type(module) for module in model.modules() if isinstance(module, nn.BatchNorm2d)}
    assert kinds == {SharedBatchNorm2d}


def test_a_world_of_one_sends_nothing() -> None:
    values = torch.arange(3.0)
    assert World().mean(values) is values
    assert World().gather(values) is values
    World().wait()


def test_devices_are_named() -> None:
    assert device_named("cpu").type == "cpu"
    assert device_named("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(TrainingError, match=r"GPUs are needed \(device: cuda\), but PyTorch sees"):
        device_named("cuda", torch.cuda.device_count())
