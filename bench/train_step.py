"""Samples per second and peak memory of a learning step, for models, batches, numbers and layouts.

Every setting is measured in a fresh process, all of them in turn, `--rounds` times; the median counts.
Images and clicks are made up, so that only the step is measured: `clicks` corrective passes, one pass with
gradients, the optimiser. Processor seconds stand beside the wall clock: they depend less on what else runs.
`keep_memory` is `ritm_model.learning.memory`; the other switches are those of recipes, and `setting` has all
of them. Prints CSV; `ratio` is that of the processor seconds to those of the first setting, the median over
the rounds.

    python bench/train_step.py mobile,8,keep_memory=false mobile,8 mobile,8,channels_last=true
    python bench/train_step.py hrnet18s,4 hrnet18s,4,compile=inductor --threads 2 --size 320,480
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
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch

from ritm_model.learning.distributed import World, device_named
from ritm_model.learning.memory import keep_freed_memory
from ritm_model.learning.recipes import Recipe, load_recipe
from ritm_model.learning.run_folder import RunFolder
from ritm_model.learning.step import Batch
from ritm_model.learning.trainer import Trainer

HRNET = {"use_rgb_conv": False, "use_leaky_relu": True, "use_disks": True, "norm_radius": 5}
HRNET |= {"with_aux_output": True, "with_prev_mask": True}
MODELS: dict[str, tuple[str, dict[str, object]]] = {
    "mobile": ("mobile", {}),
    "hrnet18s": ("hrnet", {**HRNET, "width": 18, "ocr_width": 48, "small": True}),
    "hrnet18": ("hrnet", {**HRNET, "width": 18, "ocr_width": 64}),
    "hrnet32": ("hrnet", {**HRNET, "width": 32, "ocr_width": 128}),
    "deeplab34": ("deeplab", {"backbone": "resnet34", "deeplab_ch": 128, "with_prev_mask": True}),
}


def recipe_of(setting: str, size: str) -> tuple[Recipe, bool]:
    """A recipe that is nothing but this step, and whether freed memory is kept."""
    model, batch, *switches = setting.split(",")
    family, params = MODELS[model]
    keep = "keep_memory=false" not in switches
    overrides = [
        f"model={json.dumps({'family': family, 'params': params, 'click_scale': 1.0})}",
        f"batch_size={batch}",
        f"data.crop=[{size}]",
        "channels_last=false",
        *(switch for switch in switches if not switch.startswith("keep_memory=")),
    ]
    return load_recipe("starter", overrides), keep


def measured(asked: argparse.Namespace) -> dict[str, object]:
    """Measure one setting in this process."""
    torch.set_num_threads(asked.threads)
    recipe, keep = recipe_of(asked.settings[0], asked.size)
    recipe = recipe.model_copy(update={"log_steps": 10**9})
    if keep:
        keep_freed_memory()
    world = World(device=device_named(recipe.device))
    with TemporaryDirectory() as folder:
        trainer = Trainer(recipe, RunFolder(Path(folder)), world)
    # As many corrective clicks in every step, though recipes draw their number.
    trainer.clicks_drawn = lambda random: asked.clicks  # type: ignore[method-assign]  # noqa: ARG005
    batch = made_up(recipe)
    walls, processors, systems = [], [], []
    for _ in range(asked.steps):
        wall, before = perf_counter(), os.times()
        trainer.learn(batch)
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
        "keep_memory": keep,
        "torch": torch.__version__,
        "samples_per_s": recipe.batch_size / statistics.median(walls[warm:]),
        "processor_s_per_step": statistics.median(processors[warm:]),
        "of_which_system_s": statistics.median(systems[warm:]),
        "peak_mb": round(peak),
        "loss": trainer.last_loss,
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
    parser.add_argument("--clicks", type=int, default=1, help="corrective clicks in each step")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=9, help="the first third warms up")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measured(asked)))
        return

    rounds: list[list[dict[str, float]]] = []
    common = [f"--{name}={getattr(asked, name)}" for name in ("size", "clicks", "threads", "steps")]
    for _ in range(asked.rounds):
        rows = []
        for setting in asked.settings:
            command = [sys.executable, __file__, "--one", setting, *common]
            answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
            rows.append(json.loads(answer.splitlines()[-1]))
        rounds.append(rows)
    table = csv.DictWriter(sys.stdout, [*rounds[0][0], "ratio"])
    table.writeheader()
    for number in range(len(asked.settings)):
        runs = [rows[number] for rows in rounds]
        ratios = [rows[0]["processor_s_per_step"] / rows[number]["processor_s_per_step"] for rows in rounds]
        names = ("samples_per_s", "processor_s_per_step", "of_which_system_s", "peak_mb")
        medians = {name: round(statistics.median(run[name] for run in runs), 3) for name in names}
        table.writerow({**runs[0], **medians, "ratio": round(statistics.median(ratios), 3)})


if __name__ == "__main__":
    main()
