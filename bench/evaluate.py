"""Clicks per second of two ways to evaluate the same model on the same photographs with the same rules.

"ours" is `ritm_model.evaluation` with one process per core, the start of the processes included; what the
start takes is measured, too, because it weighs on a short benchmark and not on a long evaluation.
"one by one" goes through the samples in one process that uses all cores for each network run, the way the
paper's tool works: the whole image and mask as float tensors for every click, cropped and resized by
PyTorch, the mirror image as second of a batch, the network as it is written down (channels first,
normalisations on their own, the attention that has no influence computed, click maps from the distance of
every pixel to every click), the answer enlarged to the whole image. Both take turns, and both must find the
same IoUs.
Prints one JSON line with the median of each and their ratio. Seconds of processor time per click are told
beside it: unlike the ratio, they hardly depend on what else the machine is doing.

    python bench/evaluate.py --rounds 3 --objects 12 --clicks 6
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import numpy.typing as npt
import torch
from stand_in import as_published
from torch.nn import functional

from ritm_model.checkpoints import load_model, model_version, resolve_model
from ritm_model.clicks import Click, points_array
from ritm_model.evaluation import (
    DatasetLike,
    EvaluationProtocol,
    PredictorSource,
    SampleLike,
    available_jobs,
    evaluate,
    protocol_for,
)
from ritm_model.inference.geometry import Roi, mask_roi, to_crop, whole
from ritm_model.masks.overlap import iou
from ritm_model.networks import InteractiveModel
from ritm_model.simulation import next_click

SAMPLES = Path(__file__).parents[1] / "tests" / "samples"
Curves = list[tuple[float, ...]]


@dataclass(frozen=True, eq=False)
class Photo:
    name: str
    mask: npt.NDArray[np.int8]
    category: str
    path: Path

    def load_image(self) -> npt.NDArray[np.uint8]:
        pixels = cv2.imread(str(self.path))
        assert pixels is not None
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8)


@dataclass(frozen=True)
class Photos:
    """Objects of the sample photographs."""

    objects: tuple[tuple[str, int, str], ...]
    name: str = "photographs"

    @classmethod
    def first(cls, count: int) -> Photos:
        manifest = json.loads((SAMPLES / "manifest.json").read_text())
        objects = [
            (Path(one["image"]).stem, number["id"], number["cat"])
            for one in manifest["samples"]
            for number in one["objects"]
        ]
        spread = np.linspace(0, len(objects) - 1, min(count, len(objects))).round().astype(int)
        return cls(tuple(objects[i] for i in spread))

    def __len__(self) -> int:
        return len(self.objects)

    def __getitem__(self, index: int, /) -> SampleLike:
        stem, number, category = self.objects[index]
        labels_HW = cv2.imread(str(SAMPLES / f"masks/{stem}.png"), cv2.IMREAD_UNCHANGED)
        assert labels_HW is not None
        truth_HW = (labels_HW == number).astype(np.int8)
        return Photo(f"{stem}#{number}", truth_HW, category, SAMPLES / f"images/{stem}.jpg")


def one_by_one(model: InteractiveModel, dataset: DatasetLike, protocol: EvaluationProtocol) -> Curves:
    return [_annotated(model, dataset[index], protocol) for index in range(len(dataset))]


def _annotated(
    model: InteractiveModel, sample: SampleLike, protocol: EvaluationProtocol
) -> tuple[float, ...]:
    truth_HW = sample.mask
    pixels_HW3 = sample.load_image()
    image_13HW = torch.from_numpy(pixels_HW3).permute(2, 0, 1)[None].contiguous().float().div(255)
    probability_HW = np.zeros(truth_HW.shape, np.float32)
    mask_HW = np.zeros(truth_HW.shape, np.bool_)
    not_clicked_HW = np.ones(truth_HW.shape, np.bool_)
    clicks: list[Click] = []
    ious: list[float] = []
    roi: Roi | None = None
    while len(clicks) < protocol.max_clicks:
        click = next_click(mask_HW, truth_HW, not_clicked_HW)
        not_clicked_HW[int(click.y), int(click.x)] = False
        clicks.append(click)
        probability_HW, roi = _clicked(model, image_13HW, probability_HW, clicks, roi, protocol)
        mask_HW = probability_HW > protocol.options.threshold
        now = iou(mask_HW, truth_HW)
        ious.append(now)
        if now >= protocol.target_iou:
            break
    return tuple(ious)


def _clicked(
    model: InteractiveModel,
    image_13HW: torch.Tensor,
    probability_HW: npt.NDArray[np.float32],
    clicks: list[Click],
    roi: Roi | None,
    protocol: EvaluationProtocol,
) -> tuple[npt.NDArray[np.float32], Roi | None]:
    zoom_in, frame = protocol.options.zoom_in, probability_HW.shape
    assert zoom_in is not None
    assert len(frame) == 2
    network_input = image_13HW
    if model.with_prev_mask:
        network_input = torch.cat([image_13HW, torch.from_numpy(probability_HW)[None, None]], dim=1)
    seen = zoom_in.next_roi(frame, clicks, object_roi=mask_roi(probability_HW > zoom_in.prob_thresh), roi=roi)
    roi = seen or roi
    shown = [to_crop(clicks, whole(frame), frame)]
    if seen is not None:
        size = zoom_in.input_size(seen)
        rows, columns = seen.slices
        network_input = _resized(network_input[:, :, rows, columns], size)
        shown = [to_crop(clicks, seen, size)]
    if protocol.options.with_flip:
        network_input = torch.cat([network_input, network_input.flip(3)])
        width = network_input.shape[3]
        shown.append(tuple(Click(width - 1 - at.x, at.y, at.is_positive) for at in shown[0]))
    points_BP3 = torch.from_numpy(np.stack([points_array(side) for side in shown]))
    with torch.no_grad():
        logits = model(network_input, points_BP3)["instances"]
        logits = _resized(logits, (network_input.shape[2], network_input.shape[3]))
        if protocol.options.with_flip:
            logits = 0.5 * (logits[:1] + logits[1:].flip(3))
        probability = torch.sigmoid(logits)
        if roi is not None:
            pasted = torch.zeros(1, 1, *frame)
            pasted[:, :, roi.slices[0], roi.slices[1]] = _resized(probability, roi.size)
            probability = pasted
    return probability[0, 0].numpy(), roi


def _resized(values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return functional.interpolate(values, size=size, mode="bilinear", align_corners=True)


def timed(work: Callable[[], Curves]) -> tuple[float, float, Curves]:
    """Seconds, seconds of processor time in this process and its children, and what was found."""
    start, processor_start = perf_counter(), sum(os.times()[:4])
    curves = work()
    return perf_counter() - start, sum(os.times()[:4]) - processor_start, curves


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--engine", default="torch", help="of ours")
    parser.add_argument("--eval-mode", default="cvpr")
    parser.add_argument("--no-flip", action="store_true")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each, whose median counts")
    parser.add_argument("--objects", type=int, default=20, help="samples")
    parser.add_argument("--clicks", type=int, default=10, help="clicks on each, never fewer")
    parser.add_argument("--jobs", type=int, default=available_jobs("cpu"))
    asked = parser.parse_args()

    dataset = Photos.first(asked.objects)
    protocol = protocol_for(
        asked.eval_mode,
        dataset.name,
        with_flip=not asked.no_flip,
        max_clicks=asked.clicks,
        target_iou=1.01,
    )
    path = resolve_model(asked.model)
    model = as_published(load_model(path).eval())
    torch.set_num_threads(available_jobs("cpu"))
    one_by_one(model, Photos.first(1), replace(protocol, max_clicks=2, target_iou=0.95))

    def ours(photos: Photos, rules: EvaluationProtocol) -> Curves:
        source = PredictorSource(str(path), "cpu", rules, asked.engine)
        found = evaluate("ours", source, photos, rules, jobs=asked.jobs)
        return [sample.ious for sample in found.samples]

    one_click = replace(protocol, max_clicks=1, target_iou=0.95)
    times: dict[str, list[float]] = {"start": [], "ours": [], "one_by_one": []}
    processor: dict[str, list[float]] = {"ours": [], "one_by_one": []}
    for _ in range(asked.rounds):
        start, start_processor, _ = timed(lambda: ours(Photos.first(asked.jobs), one_click))
        seconds, processor_seconds, our_curves = timed(lambda: ours(dataset, protocol))
        times["start"].append(start)
        times["ours"].append(seconds)
        processor["ours"].append(processor_seconds - start_processor)
        seconds, processor_seconds, their_curves = timed(lambda: one_by_one(model, dataset, protocol))
        times["one_by_one"].append(seconds)
        processor["one_by_one"].append(processor_seconds)

    clicks = asked.clicks * len(dataset)
    rounds = list(zip(times["one_by_one"], times["ours"], times["start"], strict=True))
    ratios = [slow / fast for slow, fast, _ in rounds]
    longer = [slow / (fast - start) for slow, fast, start in rounds]
    difference = np.abs(np.array(our_curves) - np.array(their_curves))
    row = {
        "model": model_version(path),
        "engine": asked.engine,
        "mode": protocol.mode,
        "eval_mode": asked.eval_mode,
        "flip": protocol.options.with_flip,
        "samples": len(dataset),
        "clicks": clicks,
        "cores": available_jobs("cpu"),
        "threads_one_by_one": torch.get_num_threads(),
        "jobs": asked.jobs,
        "openmp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "default"),
        "ours_clicks_per_s": round(clicks / statistics.median(times["ours"]), 2),
        "one_by_one_clicks_per_s": round(clicks / statistics.median(times["one_by_one"]), 2),
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
        "start_s": round(statistics.median(times["start"]), 1),
        "ratio_after_the_start": round(statistics.median(longer), 2),
        "ours_processor_s_per_click": round(statistics.median(processor["ours"]) / clicks, 3),
        "one_by_one_processor_s_per_click": round(statistics.median(processor["one_by_one"]) / clicks, 3),
        "samples_with_equal_curves": int((difference.max(axis=1) < 1e-4).sum()),
        "largest_iou_difference": round(float(difference.max()), 5),
    }
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
