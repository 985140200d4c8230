"""Milliseconds of a network by engine, all in turn, beside what OpenVINO's own benchmark says of it.

`ms` are medians over views of 400 x 400 pixels, the largest there are; ratios are taken round by round.
`benchmark_app` is the program that comes with OpenVINO, run on the same graph at the same size with as many
threads. `first_ms` is the first answer for a size that has not been met before. With `--gains`, the parts of
the prepared network on torch, each against the line before. With `--noc OBJECTS`, clicks of a simulated
annotator on the sample photographs.

    python bench/engines.py --model tests/models/h18s-synthetic.safetensors --gains --noc 20
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from evaluate import Photos
from served import Results

from ritm_model.checkpoints import load_model, model_version, resolve_model
from ritm_model.evaluation import PredictorSource, evaluate, protocol_for
from ritm_model.evaluation.noc import clicks_to_reach
from ritm_model.inference import TorchEngine
from ritm_model.inference.engines.compiled import CompiledEngine
from ritm_model.inference.engines.openvino import converted, open_openvino, openvino
from ritm_model.inference.engines.torch_engine import Engine
from ritm_model.networks import InteractiveModel, prepared
from ritm_model.networks.click_maps import click_maps
from ritm_model.networks.model import HRNetModel

Run = Callable[[torch.Tensor, torch.Tensor], object]


def question(channels: int, height: int = 400, width: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    image_BCHW = torch.rand(1, channels, height, width).to(memory_format=torch.channels_last)
    points_BP3 = torch.full((1, 6, 3), -1.0)
    points_BP3[0, 0], points_BP3[0, 3] = torch.tensor([200.0, 150.0, 0.0]), torch.tensor([20.0, 30.0, 1.0])
    return image_BCHW, points_BP3


def in_turn(runs: Mapping[str, Run], channels: int, rounds: int) -> dict[str, list[float]]:
    asked = question(channels)
    took: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(*asked)
    for _ in range(rounds):
        for name, run in runs.items():
            start = perf_counter()
            run(*asked)
            took[name].append((perf_counter() - start) * 1000)
    return took


def by_benchmark_app(model: InteractiveModel) -> float:
    """Median milliseconds of one inference at a time."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.xml")
        openvino().save_model(converted(model), path, compress_to_fp16=False)
        channels = 3 + model.with_prev_mask
        command = [str(Path(sys.executable).with_name("benchmark_app")), "-m", str(path), "-d", "CPU"]
        command += [
            "-shape",
            f"image_BCHW[1,{channels},400,400],points_BP3[1,6,3]",
            "-api",
            "sync",
            "-hint",
            "none",
        ]
        command += ["-infer_precision", "f32", "-nthreads", str(torch.get_num_threads()), "-t", "8"]
        quiet = os.environ | {"CI": "true"}  # where it does not report its use to anybody
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=quiet)
    found = re.search(r"Median:\s+([\d.]+) ms", done.stdout)
    assert found, done.stdout
    return float(found[1])


def variants(model: InteractiveModel) -> dict[str, Run]:
    """The network as published, and what was done to it, one after the other."""

    def attending(copy: InteractiveModel) -> InteractiveModel:
        """With the branches of the OCR head that one class makes idle."""
        assert isinstance(copy, HRNetModel)
        block = copy.feature_extractor.ocr_distri_head.object_context_block
        block.forward = block.attend  # type: ignore[method-assign]
        return copy

    found: dict[str, Run] = {}
    if isinstance(model, HRNetModel):
        found["eager, idle OCR branches"] = attending(deepcopy(model))
    found["eager"] = deepcopy(model)
    found["channels_last"] = deepcopy(model).to(memory_format=torch.channels_last)
    onednn = torch.backends.mkldnn.is_available
    torch.backends.mkldnn.is_available = lambda: False
    found["channels_last, folded"] = prepared(deepcopy(model))
    torch.backends.mkldnn.is_available = onednn
    found["channels_last, folded, fused by oneDNN"] = prepared(deepcopy(model))
    return found


def drawing_ms(rounds: int) -> dict[str, float]:
    """Twenty clicks of each kind on 1080p: disks in their windows, and distances at every pixel."""
    points_BP3 = torch.rand(1, 40, 3) * torch.tensor([1080.0, 1920.0, 1.0])
    runs = {
        name: lambda _image, _points, disks=disks: click_maps(points_BP3, (1080, 1920), radius=5, disks=disks)
        for name, disks in (("windows", True), ("distances", False))
    }
    return {name: round(median(times), 1) for name, times in in_turn(runs, 3, rounds).items()}


def noc(path: Path, engine: str, objects: int) -> float:
    """Mean clicks to 0.9."""
    photos = Photos.first(objects)
    protocol = protocol_for("serving", photos.name, max_clicks=10, target_iou=0.9)
    source = PredictorSource(str(path), "cpu", protocol, engine)
    found = evaluate(engine, source, photos, protocol, jobs=1)
    return mean(clicks_to_reach(sample.curve, 0.9, protocol.max_clicks) for sample in found.samples)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--compile", action="store_true", help="minutes longer")
    parser.add_argument("--gains", action="store_true")
    parser.add_argument("--noc", type=int, default=0, metavar="OBJECTS")
    asked = parser.parse_args()

    path = resolve_model(asked.model)
    version = model_version(path)
    model = load_model(path).requires_grad_(False)
    channels = 3 + model.with_prev_mask
    name = path.stem
    results = Results(
        f"engines-{name}",
        model=version,
        threads=torch.get_num_threads(),
        openmp_wait_policy=os.environ.get("OMP_WAIT_POLICY", "default"),
    )
    with torch.inference_mode():
        engines: dict[str, Engine] = {"torch": TorchEngine(deepcopy(model))}
        engines["openvino"] = open_openvino(model, path, version)
        if asked.compile:
            engines["compile"] = CompiledEngine(deepcopy(model))
        first = {}
        for engine_name, engine in engines.items():
            engine.run(*question(channels))
            start = perf_counter()
            engine.run(*question(channels, 211, 400))
            first[engine_name] = (perf_counter() - start) * 1000
        took = in_turn({key: engine.run for key, engine in engines.items()}, channels, asked.rounds)
        own = by_benchmark_app(model)
        took_again = in_turn({key: engine.run for key, engine in engines.items()}, channels, asked.rounds)
        for key in engines:
            times = took[key] + took_again[key]
            pairs = zip(took["torch"] + took_again["torch"], times, strict=True)
            results.row(
                engine=key,
                ms=round(median(times), 1),
                least_ms=round(min(times), 1),
                times_as_fast_as_torch=round(median(theirs / own_ms for theirs, own_ms in pairs), 2),
                first_ms=round(first[key], 1),
                benchmark_app_ms=own if key == "openvino" else None,
                to_benchmark_app=round(median(times) / own, 2) if key == "openvino" else None,
            )
        if asked.gains:
            gains = in_turn(variants(model), channels, asked.rounds)
            before: list[float] | None = None
            for key, times in gains.items():
                pairs = zip(before or times, times, strict=True)
                results.row(
                    variant=key,
                    ms=round(median(times), 1),
                    times_as_fast_as_before=round(median(old / new for old, new in pairs), 2),
                )
                before = times
        results.row(drawing_ms=drawing_ms(asked.rounds), clicks=20)
    if asked.noc:
        found = {key: noc(path, key, asked.noc) for key in engines}
        results.row(noc90=found, objects=asked.noc, difference=round(found["openvino"] - found["torch"], 4))


if __name__ == "__main__":
    main()
