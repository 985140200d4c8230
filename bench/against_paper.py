"""One JSON line per figure that is compared with the paper's code: clicks, evaluation, training step.

`--who ours` runs any checkpoint as it is served by default; `--who stand-in` runs it the way the paper's code
does, with this project's parts: the network as published (idle branches included), eager and unprepared,
click maps from the distance of every pixel to every click, the first click at full resolution and the later
ones at 400 pixels, each together with its mirror image. A stand-in is not the paper's code; to compare with
that, alternate `--who ours` with it, line by line.
`--who both` alternates the two here and adds the ratios.

    python bench/against_paper.py --who both --model tests/models/h18s-synthetic.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from time import perf_counter

import cv2
import numpy as np
import torch
from evaluate import Photos, one_by_one
from served import SIZES, WALK, Results, photo
from stand_in import as_published
from train_step import in_fresh_process

from ritm_model.checkpoints import load_model, model_version, resolve_model
from ritm_model.clicks import Click
from ritm_model.evaluation import PredictorSource, available_jobs, evaluate, protocol_for
from ritm_model.inference import Predictor, PredictorOptions, open_predictor
from ritm_model.networks import InteractiveModel

LATER = 4  # clicks after the first
EVALUATIONS = {"evaluation s": "cvpr", "evaluation in the default profile s": "serving"}


class Eager:
    """The network as it is."""

    name = "stand-in"

    def __init__(self, model: InteractiveModel) -> None:
        self.model = model
        self.with_prev_mask = model.with_prev_mask

    def run(self, image_BCHW: torch.Tensor, points_BP3: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            logits_B1HW: torch.Tensor = self.model(image_BCHW.contiguous(), points_BP3)["instances"]
            return logits_B1HW


def clicks_ms(predictor: Predictor) -> dict[str, float]:
    """The first click on a 1080p photograph, and the median of the later ones."""
    size = SIZES["1920x1080"]
    pixels = cv2.imdecode(np.frombuffer(photo(size), np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    state, took = predictor.start(pixels[..., ::-1].astype(np.uint8)), []
    for x, y, is_positive in WALK[: 1 + LATER]:
        start = perf_counter()
        state = predictor.click(state, Click(x * size[0] / 100, y * size[1] / 100, is_positive))
        state.mask.any()
        took.append((perf_counter() - start) * 1000)
    return {"first click": took[0], "later clicks": median(took[1:])}


def evaluation_s(path: Path, objects: int, engine: str, mode: str, clicks: int = 5) -> float:
    photos = Photos.first(objects)
    protocol = protocol_for(mode, photos.name, max_clicks=clicks, target_iou=1.01)
    source = PredictorSource(str(path), "cpu", protocol, engine)
    start = perf_counter()
    evaluate("ours", source, photos, protocol, jobs=available_jobs("cpu"))
    return perf_counter() - start


def paper_evaluation_s(model: InteractiveModel, objects: int) -> float:
    photos = Photos.first(objects)
    protocol = protocol_for("cvpr", photos.name, max_clicks=5, target_iou=1.01)
    start = perf_counter()
    one_by_one(model, photos, protocol)
    return perf_counter() - start


def step_s(model: str, how: str) -> float:
    """Seconds of a step of four samples."""
    threads = torch.get_num_threads()
    row = in_fresh_process(f"{model},4,{how}", size="320,480", clicks=2, steps=6, threads=threads)
    return 4 / float(row["samples_per_s"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--who", choices=("ours", "stand-in", "both"), default="both")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--objects", type=int, default=0, help="samples to evaluate on")
    parser.add_argument("--train", metavar="NAME", help="also a training step: mobile, hrnet18s, …")
    asked = parser.parse_args()

    path = resolve_model(asked.model)
    actors: dict[str, Predictor] = {}
    if asked.who != "stand-in":
        actors["ours"] = open_predictor(str(path), "cpu", engine=asked.engine)
    if asked.who != "ours":
        actors["stand-in"] = Predictor(Eager(as_published(load_model(path).eval())), PredictorOptions.paper())
    found: dict[tuple[str, str], list[float]] = {}

    def note(what: str, who: str, value: float) -> None:
        found.setdefault((what, who), []).append(value)

    for predictor in actors.values():
        predictor.warm_up()
    for _ in range(asked.rounds):
        for who, predictor in actors.items():
            for what, took in clicks_ms(predictor).items():
                note(f"{what} ms", who, took)
        if asked.objects and "ours" in actors:
            engine = "openvino" if "OpenVino" in type(actors["ours"].engine).__name__ else "torch"
            # Processes start once, for 10 objects as for 10,000: that is left out.
            start = evaluation_s(path, available_jobs("cpu"), engine, "serving", clicks=1)
            note("start of an evaluation s", "ours", start)
            for what, mode in EVALUATIONS.items():
                note(what, "ours", evaluation_s(path, asked.objects, engine, mode) - start)
        if asked.objects and "stand-in" in actors:
            took = paper_evaluation_s(as_published(load_model(path).eval()), asked.objects)
            for what in EVALUATIONS:
                note(what, "stand-in", took)
        if asked.train:
            for who in actors:
                how = "paper" if who == "ours" else who
                note(f"training step of {asked.train} s", who, step_s(asked.train, how))

    results = Results(f"against-paper-{path.stem}-{asked.who}", model=model_version(path))
    for (what, who), values in found.items():
        theirs = found.get((what, "stand-in"), [])
        ratios = [slow / fast for slow, fast in zip(theirs, values, strict=False)] if who == "ours" else []
        results.row(
            what=what,
            who=who,
            median=round(median(values), 3),
            values=[round(value, 3) for value in values],
            times_as_fast_as_stand_in=round(median(ratios), 2) if ratios else None,
        )


if __name__ == "__main__":
    main()
