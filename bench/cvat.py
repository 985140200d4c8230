"""What a click in CVAT costs, and what keeping state over CVAT's stateless calls is worth.

`latency`: five clicks on frames never seen before, each request carrying the frame and all clicks so far,
parsed from JSON and answered as the Nuclio function does. One JSON line per frame size, answer form and
click with the bytes of the answer and p50 and p95 of the milliseconds, whole and by stage; `lookup` is what
reading, hashing and finding the frame take together, and its decoding at the first click.

`noc`: the simulated annotator clicks on objects of a folder with `images` and `masks` that number them,
until the mask is good, once through the function's sessions and once as CVAT's former HRNet function
answered: all clicks in one run, whole frame, mirror image, no previous mask. One JSON line per way with the
mean number of clicks. Objects are annotated by several processes of one thread, which changes no number.

    python bench/cvat.py latency --image tests/samples/images/bus.jpg --repeat 10
    python bench/cvat.py noc --samples tests/samples --clicks 20
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import PIL.Image

from cvat_serverless.interactor import Interactor
from cvat_serverless.main import Function
from cvat_serverless.request import Prompts
from cvat_serverless.settings import AnswerForm, CvatSettings
from ritm_model.clicks import Click
from ritm_model.datasets import open_dataset
from ritm_model.evaluation import EvaluationProtocol
from ritm_model.evaluation.modes import ClickPredictor, PredictorSource
from ritm_model.evaluation.noc import mean_iou_after
from ritm_model.evaluation.noc import noc as mean_noc
from ritm_model.evaluation.workers import Work, in_processes
from ritm_model.inference import (
    Annotator,
    Predictor,
    PredictorOptions,
    State,
    open_predictor,
)
from ritm_model.inference.geometry import whole
from ritm_model.inference.soft_map import SoftMap
from ritm_model.inference.state import Image, Mask, Prediction
from ritm_model.inference.timing import Timings

SIZES = {"640x480": (640, 480), "1920x1080": (1920, 1080), "4000x3000": (4000, 3000)}
FORMS: tuple[AnswerForm, ...] = ("shapes", "mask")
# A walk of an annotator over the middle of the picture: where, and is it the object?
CLICKS = [
    (0.50, 0.50, True),
    (0.42, 0.55, True),
    (0.20, 0.20, False),
    (0.58, 0.47, True),
    (0.75, 0.80, False),
]


def latency(
    image: Path, sizes: Sequence[str], model: str, device: str, repeat: int
) -> Iterator[dict[str, object]]:
    picture = PIL.Image.open(image).convert("RGB")
    for name in sizes:
        width, height = SIZES[name]
        frame = picture.resize((width, height))
        for form in FORMS:
            settings = CvatSettings(ritm_model=model, ritm_device=device, ritm_cvat_answer=form)
            function = Function.start(settings)
            samples = defaultdict(list)
            for turn in range(repeat):
                image_text = _new_frame(frame, turn)
                for n_clicks in range(1, len(CLICKS) + 1):
                    samples[n_clicks].append(_request(function, image_text, width, height, n_clicks))
            for n_clicks, requests in samples.items():
                stages = {stage: _percentiles([r[stage] for r in requests]) for stage in requests[0]}
                yield {
                    "bench": "latency",
                    "size": name,
                    "form": form,
                    "click": n_clicks,
                    "request_bytes": len(image_text),
                    "answer_bytes": int(stages.pop("bytes")["p50"]),
                    "milliseconds": stages,
                }


def _new_frame(frame: PIL.Image.Image, turn: int) -> str:
    """The same picture with the noise of a camera: files of real size, none of which was seen before."""
    noise_HW3 = np.random.default_rng(turn).normal(0, 5, (frame.height, frame.width, 3))
    pixels_HW3 = (np.asarray(frame) + noise_HW3).clip(0, 255).astype(np.uint8)
    data = io.BytesIO()
    PIL.Image.fromarray(pixels_HW3).save(data, "JPEG", quality=90)
    return base64.b64encode(data.getvalue()).decode()


def _request(function: Function, image_text: str, width: int, height: int, n_clicks: int) -> dict[str, float]:
    clicks = CLICKS[:n_clicks]
    body = json.dumps(
        {
            "image": image_text,
            "pos_points": [[x * width, y * height] for x, y, is_positive in clicks if is_positive],
            "neg_points": [[x * width, y * height] for x, y, is_positive in clicks if not is_positive],
            "obj_bbox": [],
        }
    ).encode()
    timings = Timings()
    started = perf_counter()
    with timings.stage("parse"):
        fields = json.loads(body)
    answer = function.answer(fields, timings)
    whole = (perf_counter() - started) * 1000
    lookup = sum(timings.stages[stage] for stage in ("read", "hash", "image"))
    return {"whole": whole, "lookup": lookup, **timings.stages, "bytes": len(answer)}


def _percentiles(values: list[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(values, q)), 1) for q in (50, 95)}


class Sessions:
    """Clicks through the function's interactor, which gets all clicks so far each time, as from CVAT."""

    def __init__(self, predictor: Predictor) -> None:
        self._interactor = Interactor(Annotator(predictor))

    def start(self, image_HW3: Image, mask: Mask | None = None) -> State:  # noqa: ARG002  (CVAT has none)
        return State(image_HW3)

    def click(self, state: State, click: Click) -> State:
        clicks = (*state.clicks, click)
        prompts = Prompts(
            tuple(c for c in clicks if c.is_positive), tuple(c for c in clicks if not c.is_positive)
        )
        key = hashlib.sha256(state.image.tobytes()).hexdigest()
        found = self._interactor.segment(key, lambda: state.image, prompts)
        mask_HW = np.zeros(state.frame, np.bool_)
        for segment in found.segments:
            mask_HW |= segment.mask
        soft = SoftMap(mask_HW, whole(state.frame), state.frame)
        prediction = Prediction.of(soft, threshold=0.5, object_threshold=0.5)
        return State(state.image, clicks, prediction)


class OneRun:
    """All clicks in one run on the whole frame, and no mask from before: CVAT's former HRNet function."""

    def __init__(self, predictor: Predictor) -> None:
        options = PredictorOptions(zoom_in=None, with_flip=True, threshold=0.5)
        self._predictor = Predictor(predictor.engine, options)

    def start(self, image_HW3: Image, mask: Mask | None = None) -> State:  # noqa: ARG002  (CVAT has none)
        return self._predictor.start(image_HW3)

    def click(self, state: State, click: Click) -> State:
        return self._predictor.click(State(state.image, state.clicks), click)


WAYS: dict[str, Callable[[Predictor], ClickPredictor]] = {
    "sessions": Sessions,
    "one run of all clicks": OneRun,
}


@dataclass(frozen=True)
class Way(PredictorSource):
    """One of the `WAYS`; each knows its own options."""

    way: str = ""

    def __call__(self) -> ClickPredictor:
        return WAYS[self.way](open_predictor(self.model, device=self.device))


def noc(
    samples: Path, model: str, device: str, max_clicks: int, n_objects: int | None, jobs: int
) -> Iterator[dict[str, object]]:
    dataset = open_dataset("samples", {"samples": f"labels:{samples}"})
    n_chosen = min(n_objects or len(dataset), len(dataset))
    chosen = np.linspace(0, len(dataset) - 1, n_chosen).round().astype(int).tolist()
    protocol = EvaluationProtocol(max_clicks=max_clicks, target_iou=0.9)
    for name in WAYS:
        work = Work(Way(model, device, protocol, way=name), dataset, protocol)
        curves = []
        for result in in_processes(work, chosen, jobs):
            curves.append(result.curve)
            print(f"{name}: {len(curves)} of {n_chosen} objects", end="\r", file=sys.stderr, flush=True)
        yield {
            "bench": "noc",
            "way": name,
            "model": open_predictor(model, device=device).engine.name,
            "objects": len(curves),
            "max_clicks": max_clicks,
            **{f"noc{t}": round(mean_noc(curves, t / 100, max_clicks), 2) for t in (80, 85, 90)},
            **{f"iou{n}": round(mean_iou_after(curves, n), 3) for n in (1, 3, 5, 10, 20) if n <= max_clicks},
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("latency", "noc"))
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--image", type=Path, help="latency: a photograph, scaled to each size")
    parser.add_argument("--size", action="append", choices=SIZES, help="latency: of all sizes only this")
    parser.add_argument("--repeat", type=int, default=10, help="latency: frames per size and form")
    parser.add_argument("--samples", type=Path, help="noc: a folder with images and masks")
    parser.add_argument("--objects", type=int, help="noc: so many, evenly chosen; all if left out")
    parser.add_argument("--clicks", type=int, default=10, help="noc: give up after so many")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="noc: processes")
    options = parser.parse_args()
    if options.what == "latency":
        if options.image is None:
            parser.error("latency needs --image.")
        lines = latency(
            options.image, options.size or list(SIZES), options.model, options.device, options.repeat
        )
    else:
        if options.samples is None:
            parser.error("noc needs --samples.")
        lines = noc(
            options.samples, options.model, options.device, options.clicks, options.objects, options.jobs
        )
    for line in lines:
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
