"""Shorter numbers on a CPU: OpenVINO in bf16 and in int8 beside fp32, in clicks and in milliseconds.

int8 is made by NNCF (`pip install nncf`), post-training, calibrated on what the network sees while a
simulated annotator clicks on `--calibration` objects; those that are measured are others. Clicks are those of
the serving profile. Times are processor milliseconds of one run on one thread, all in turn, medians over the
rounds; ratios are taken round by round. OpenVINO computes in bf16 where the processor has the instructions
for it (`avx512_bf16` or `amx_bf16` in `lscpu`).

    python bench/models/own_benchmark.py build --pack train_pack --pack train_pack2 --out OWN
    OMP_NUM_THREADS=1 python bench/models/precisions.py --data OWN --model bundled
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median
from time import process_time
from typing import Any

import nncf  # type: ignore[import-not-found, unused-ignore]
import numpy as np
import numpy.typing as npt
import torch

from ritm_model.checkpoints import load_model, model_version, resolve_model
from ritm_model.datasets import Dataset, open_dataset
from ritm_model.evaluation import evaluate, protocol_for
from ritm_model.evaluation.noc import clicks_to_reach
from ritm_model.inference import Predictor, PredictorOptions
from ritm_model.inference.engines.openvino import converted, openvino
from ritm_model.inference.engines.torch_engine import Engine
from ritm_model.networks import InteractiveModel

Inputs = tuple[np.ndarray, np.ndarray]
Curve = npt.NDArray[np.float32]
TARGETS = (0.85, 0.9)
SIDES = (320, 400)
PER_OBJECT = 4  # inputs that an object is calibrated with


@dataclass
class OneThread:
    """A network of OpenVINO on one thread; `seen` keeps what it is given, if it is a list."""

    request: Any
    name: str
    with_prev_mask: bool
    seen: list[Inputs] | None = None

    @classmethod
    def of(cls, network: Any, model: InteractiveModel, name: str, precision: str) -> OneThread:
        settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": precision}
        compiled = openvino().Core().compile_model(network, "CPU", settings)
        return cls(compiled.create_infer_request(), name, model.with_prev_mask)

    def run(self, image_BCHW: torch.Tensor, points_BP3: torch.Tensor) -> torch.Tensor:
        """See `Engine.run`."""
        inputs = (image_BCHW.contiguous().numpy(), points_BP3.contiguous().numpy())
        if self.seen is not None:
            self.seen.append(inputs)
        (logits_B1HW,) = self.request.infer(list(inputs)).values()
        return torch.from_numpy(logits_B1HW.copy())


def clicks(engine: Engine, model: InteractiveModel, dataset: Dataset, most: int) -> list[Curve]:
    """IoU after each click, for each object."""
    protocol = protocol_for(
        "serving", dataset.name, viewing=model.viewing, target_iou=max(TARGETS), max_clicks=most
    )
    predictor = Predictor(engine, PredictorOptions.serving(model.viewing))
    found = evaluate(engine.name, lambda: predictor, dataset, protocol)
    return [sample.curve for sample in found.samples]


def quantised(network: Any, inputs: Sequence[Inputs]) -> Any:
    """The network in int8, its activations scaled by what they were for these inputs."""
    return nncf.quantize(
        network,
        nncf.Dataset(inputs, list),
        preset=nncf.QuantizationPreset.MIXED,
        target_device=nncf.TargetDevice.CPU,
        subset_size=len(inputs),
    )


def in_turn(engines: Mapping[str, Engine], side: int, channels: int, rounds: int) -> dict[str, list[float]]:
    """Processor milliseconds of a run: others on the machine count less than on the clock."""
    image_BCHW = torch.rand(1, channels, side, side)
    points_BP3 = torch.full((1, 6, 3), -1.0)
    points_BP3[0, 0] = torch.tensor([side / 2, side / 3, 0.0])
    took: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(rounds + 1):
        for name, engine in engines.items():
            start = process_time()
            engine.run(image_BCHW, points_BP3)
            if turn:
                took[name].append((process_time() - start) * 1000)
    return took


def show(**line: object) -> None:
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, type=Path, help="a folder of the COCO-RLE layout")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--objects", type=int, default=60, help="to measure clicks on")
    parser.add_argument("--calibration", type=int, default=40, help="other objects to calibrate on")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--clicks", type=int, default=20, help="at most, for each object")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    path = resolve_model(asked.model)
    model, version = load_model(path), model_version(path)
    channels = 3 + model.with_prev_mask
    dataset = open_dataset("own", {"own": f"coco_rle:{asked.data}"})
    order = np.random.default_rng(0).permutation(len(dataset.index))
    chosen = [dataset.index[place] for place in order[: asked.objects + asked.calibration]]
    measured = replace(dataset, index=tuple(chosen[: asked.objects]))
    calibration = replace(dataset, index=tuple(chosen[asked.objects :]))

    network = converted(model, version)
    seen: list[Inputs] = []
    calibrating = replace(OneThread.of(network, model, "calibration", "f32"), seen=seen)
    clicks(calibrating, model, calibration, PER_OBJECT)
    engines = {
        "fp32": OneThread.of(network, model, "fp32", "f32"),
        "bf16": OneThread.of(network, model, "bf16", "bf16"),
        "int8": OneThread.of(quantised(network, seen), model, "int8", "f32"),
    }
    for side in SIDES:
        took = in_turn(engines, side, channels, asked.rounds)
        for name, times in took.items():
            ratio = median(mine / theirs for mine, theirs in zip(times, took["fp32"], strict=True))
            show(
                model=version,
                engine=name,
                side=side,
                ms=round(median(times), 1),
                ratio=round(ratio, 3),
            )
    for name, engine in engines.items():
        curves = clicks(engine, model, measured, asked.clicks)
        noc = {
            f"noc@{round(target * 100)}": round(
                mean(clicks_to_reach(c, target, asked.clicks) for c in curves), 3
            )
            for target in TARGETS
        }
        first = round(mean(float(curve[0]) for curve in curves), 4)
        show(model=version, engine=name, objects=len(curves), first_iou=first, **noc)


if __name__ == "__main__":
    main()
