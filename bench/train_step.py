"""Samples per second and peak memory of a learning step, for models, batches, numbers and layouts.

Every setting is measured in a fresh process, all of them in turn, `--rounds` times; the median counts.
Images and clicks are made up, so that only the step is measured: `clicks` corrective passes, one pass with
gradients, the optimiser. Processor seconds stand beside the wall clock: they depend less on what else runs.
`keep_memory` is `ritm_model.learning.loop.memory`; the other switches are those of recipes, and `setting`
has all of them. Prints CSV; `ratio` and `wall_ratio` say how many times as fast as the first setting a step
is, by processor seconds and by the wall clock, each the median over the rounds.

`stand-in` in place of switches is the step as the paper's code makes it, with this project's parts: eager, in
fp32, channels first, the attention that has no influence computed, click maps from the distance of every
pixel to each of the 48 places for clicks, Adam parameter by parameter, freed memory given back to the kernel.
In its favour, next clicks are chosen by our own code. A stand-in is not the paper's code; the same weights,
batch and random numbers give both the same losses.

    python bench/train_step.py mobile,8,keep_memory=false mobile,8 mobile,8,channels_last=true
    python bench/train_step.py hrnet18s,4 hrnet18s,4,compile=inductor --threads 2 --size 320,480
    python bench/train_step.py hrnet18s,8,stand-in hrnet18s,8,paper
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import torch
from stand_in import as_published

from ritm_model.learning.loop.distributed import World, device_named
from ritm_model.learning.loop.memory import keep_freed_memory
from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.loop.starting import make_model
from ritm_model.learning.loop.trainer import Trainer
from ritm_model.learning.recipes import Recipe, load_recipe
from ritm_model.learning.step.convolutions import quickest_convolutions
from ritm_model.learning.step.metrics import AdaptiveIoU
from ritm_model.learning.step.step import Batch, Objective, interact, learn

HRNET = {"use_rgb_conv": False, "use_leaky_relu": True, "use_disks": True, "norm_radius": 5}
HRNET |= {"with_aux_output": True, "with_prev_mask": True}
MODELS: dict[str, tuple[str, dict[str, object]]] = {
    "mobile": ("mobile", {}),
    "lite": ("lite", {}),
    "hrnet18s": ("hrnet", {**HRNET, "width": 18, "ocr_width": 48, "small": True}),
    "hrnet18": ("hrnet", {**HRNET, "width": 18, "ocr_width": 64}),
    "hrnet32": ("hrnet", {**HRNET, "width": 32, "ocr_width": 128}),
    "deeplab34": ("deeplab", {"backbone": "resnet34", "deeplab_ch": 128, "with_prev_mask": True}),
}


PAPER = (
    "optimiser.name=adam",
    "optimiser.weight_decay=0",
    "optimiser.learning_rate=0.0005",
    "optimiser.schedule=milestones",
    "optimiser.clip_norm=null",
    "optimiser.ema_decay=null",
)


class StandIn:
    """The step as the paper's code makes it."""

    def __init__(self, recipe: Recipe, clicks: int) -> None:
        self.recipe, self.clicks = recipe, clicks
        self.model = as_published(make_model(recipe)).train()
        rate, multipliers = recipe.optimiser.learning_rate, self.model.lr_multipliers()
        groups = [
            {"params": [parameter], "lr": rate * multipliers[name]}
            for name, parameter in self.model.named_parameters()
        ]
        self.optimiser = torch.optim.Adam(groups, lr=rate, foreach=False)
        self.iou = AdaptiveIoU()
        self.step, self.last_loss = 0, 0.0

    def learn(self, batch: Batch) -> None:
        """Make one step, with the random numbers of `Trainer.learn`."""
        seed, count = self.recipe.seed, len(batch.image_B3HW)
        torch.manual_seed(int(np.random.default_rng((seed, 1, self.step)).integers(2**62)))
        randoms = [np.random.default_rng((seed, 2, self.step * count + i)) for i in range(count)]
        interaction = interact(self.model, batch, self.clicks, randoms)
        outcome = learn(self.model, batch, interaction, Objective())
        self.optimiser.zero_grad()
        outcome.total.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.iou = self.iou.with_ious(self.iou.sample_ious(outcome.logits_B1HW.detach(), batch.truth_B1HW))
        self.step, self.last_loss = self.step + 1, outcome.total.item()


@dataclass(frozen=True)
class Setting:
    """What is measured: a recipe that is nothing but this step, and what recipes do not say."""

    recipe: Recipe
    keep_memory: bool
    is_stand_in: bool


def setting_of(text: str, size: str) -> Setting:
    model, batch, *switches = text.split(",")
    family, params = MODELS[model]
    ours = {"keep_memory=false", "stand-in", "paper"}
    asked = ours.intersection(switches)
    is_stand_in = "stand-in" in asked
    overrides = [
        f"model={json.dumps({'family': family, 'params': params, 'click_scale': 1.0})}",
        f"batch_size={batch}",
        f"data.crop=[{size}]",
        f"channels_last={json.dumps('paper' in asked)}",
        *(PAPER if asked & {"stand-in", "paper"} else ()),
        *(switch for switch in switches if switch not in ours),
        f"log_steps={10**9}",
    ]
    keep_memory = not asked & {"keep_memory=false", "stand-in"}
    return Setting(load_recipe("starter", overrides), keep_memory, is_stand_in)


def learner_of(setting: Setting, clicks: int, world: World) -> Trainer | StandIn:
    if setting.is_stand_in:
        return StandIn(setting.recipe, clicks)
    with TemporaryDirectory() as folder:
        trainer = Trainer(setting.recipe, RunFolder(Path(folder)), world)
    # As many simulated corrective clicks in every step, though recipes draw their number.
    trainer.clicks_drawn = lambda random: clicks  # type: ignore[method-assign]  # noqa: ARG005
    return trainer


def in_fresh_process(setting: str, **common: object) -> dict[str, Any]:
    """Measure one setting where no other one has changed how memory is kept."""
    command = [sys.executable, __file__, "--one", setting]
    command += [f"--{name}={value}" for name, value in common.items()]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    row: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return row


def measured(asked: argparse.Namespace) -> dict[str, object]:
    """Measure one setting in this process."""
    torch.set_num_threads(asked.threads)
    setting = setting_of(asked.settings[0], asked.size)
    recipe = setting.recipe
    if setting.keep_memory:
        keep_freed_memory()
    world = World(device=device_named(recipe.device))
    learner = learner_of(setting, asked.clicks, world)
    batch = made_up(recipe)
    walls, processors, systems = [], [], []
    for _ in range(asked.steps):
        wall, before = perf_counter(), os.times()
        with quickest_convolutions(world.device):
            learner.learn(batch)
        if world.device.type == "cuda":
            torch.cuda.synchronize()
        after = os.times()
        walls.append(perf_counter() - wall)
        processors.append(after.user - before.user + after.system - before.system)
        systems.append(after.system - before.system)
    if world.device.type == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    warm = asked.steps // 3
    model, size, *_ = asked.settings[0].split(",")
    return {
        "setting": asked.settings[0],
        "model": model,
        "batch": int(size),
        "size": asked.size.replace(",", "x"),
        "clicks": asked.clicks,
        "device": torch.cuda.get_device_name() if world.device.type == "cuda" else "cpu",
        "threads": asked.threads,
        "precision": recipe.precision,
        "channels_last": recipe.channels_last,
        "compile": recipe.compile or "",
        "keep_memory": setting.keep_memory,
        "torch": torch.__version__,
        "samples_per_s": recipe.batch_size / statistics.median(walls[warm:]),
        "processor_s_per_step": statistics.median(processors[warm:]),
        "of_which_system_s": statistics.median(systems[warm:]),
        "peak_mb": round(peak),
        "loss": learner.last_loss,
    }


def made_up(recipe: Recipe) -> Batch:
    """A batch of noise, in which a rectangle is asked for."""
    count, (height, width) = recipe.batch_size, recipe.data.crop
    truth = torch.zeros(count, 1, height, width)
    truth[:, :, height // 4 : height // 2, width // 3 : 3 * width // 4] = 1
    points = torch.full((count, 2 * recipe.clicks.max_points, 3), -1.0)
    points[:, 0] = torch.tensor([height * 3 / 8, width / 2, 100.0])
    return Batch(torch.rand(count, 3, height, width, generator=torch.manual_seed(0)), truth, points)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", nargs="+", help="MODEL,BATCH[,NAME=VALUE...]")
    parser.add_argument("--size", default="256,256", help="of the images: height,width")
    parser.add_argument("--clicks", type=int, default=1, help="simulated corrective clicks in each step")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=9, help="the first third warms up")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measured(asked)))
        return

    common = {name: getattr(asked, name) for name in ("size", "clicks", "threads", "steps")}
    rounds = [
        [in_fresh_process(setting, **common) for setting in asked.settings] for _ in range(asked.rounds)
    ]
    table = csv.DictWriter(sys.stdout, [*rounds[0][0], "ratio", "wall_ratio"])
    table.writeheader()
    for number in range(len(asked.settings)):
        runs = [rows[number] for rows in rounds]
        ratios = {
            "ratio": [
                rows[0]["processor_s_per_step"] / rows[number]["processor_s_per_step"] for rows in rounds
            ],
            "wall_ratio": [rows[number]["samples_per_s"] / rows[0]["samples_per_s"] for rows in rounds],
        }
        names = ("samples_per_s", "processor_s_per_step", "of_which_system_s", "peak_mb")
        medians = {name: round(statistics.median(run[name] for run in runs), 3) for name in names}
        compared = {name: round(statistics.median(values), 3) for name, values in ratios.items()}
        table.writerow({**runs[0], **medians, **compared})


if __name__ == "__main__":
    main()
