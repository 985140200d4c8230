"""What a click in CVAT costs, and what keeping state over CVAT's stateless calls is worth.

`latency`: five clicks on frames never seen before, each request carrying the frame and all clicks so far,
parsed from JSON and answered as the Nuclio function does. One JSON line per frame size, answer form and
click with the bytes of the answer and p50 and p95 of the milliseconds, whole and by stage.

`noc`: the simulated annotator clicks on every object of a folder of samples until the mask is good, once
through the function's sessions and once as CVAT's former HRNet function answered: all clicks in one run,
whole frame, mirror image, no previous mask. One JSON line per way with the mean number of clicks.

    python bench/cvat.py latency --image tests/samples/images/bus.jpg --repeat 10
    python bench/cvat.py noc --samples tests/samples
"""

from __future__ import annotations

import argparse
import base64
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
import PIL.Image

from cvat_serverless.interactor import Interactor
from cvat_serverless.main import Function
from cvat_serverless.request import Prompts
from cvat_serverless.settings import AnswerForm, CvatSettings
from ritm_model.clicks import Click
from ritm_model.images import decode_image
from ritm_model.inference import Annotator, Predictor, PredictorOptions, open_predictor
from ritm_model.simulation import next_click
from ritm_model.timing import Timings

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

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Segment = Callable[[tuple[Click, ...]], Mask]


def latency(image: Path, model: str, device: str, repeat: int) -> Iterator[dict[str, object]]:
    picture = PIL.Image.open(image).convert("RGB")
    for name, (width, height) in SIZES.items():
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
    return {"whole": whole, **timings.stages, "bytes": len(answer)}


def _percentiles(values: list[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(values, q)), 1) for q in (50, 95)}


def noc(samples: Path, model: str, device: str, max_clicks: int) -> Iterator[dict[str, object]]:
    ours = open_predictor(model, device=device)
    former = Predictor(ours.engine, PredictorOptions(zoom_in=None, with_flip=True))
    ious: dict[str, list[list[float]]] = {"sessions": [], "one run of all clicks": []}
    for key, image_HW3, truth_HW in _objects(samples):
        interactor = Interactor(Annotator(ours))
        ways: dict[str, Segment] = {
            "sessions": lambda clicks: _with_sessions(interactor, key, image_HW3, clicks),  # noqa: B023
            "one run of all clicks": lambda clicks: _in_one_run(former, image_HW3, clicks),  # noqa: B023
        }
        for way, segment in ways.items():
            ious[way].append(_annotate(segment, truth_HW, max_clicks))
    for way, curves in ious.items():
        yield {
            "bench": "noc",
            "way": way,
            "model": ours.engine.name,
            "objects": len(curves),
            **{
                f"noc{t}": round(float(np.mean([_noc(c, t / 100, max_clicks) for c in curves])), 2)
                for t in (80, 85, 90)
            },
            **{
                f"iou{n}": round(float(np.mean([c[min(n, len(c)) - 1] for c in curves])), 3)
                for n in (1, 3, 5, 10)
            },
            "max_clicks": max_clicks,
        }


def _objects(samples: Path) -> Iterator[tuple[str, Image, npt.NDArray[np.int8]]]:
    for sample in json.loads((samples / "manifest.json").read_text())["samples"]:
        image_HW3 = decode_image((samples / sample["image"]).read_bytes())
        ids_HW = np.asarray(PIL.Image.open(samples / sample["mask"]))
        for known in sample["objects"]:
            yield sample["image"], image_HW3, (ids_HW == known["id"]).astype(np.int8)


def _annotate(segment: Segment, truth_HW: npt.NDArray[np.int8], max_clicks: int) -> list[float]:
    """IoU after each click, until it reaches 0.9."""
    mask_HW = np.zeros(truth_HW.shape, np.bool_)
    not_clicked_HW = np.ones(truth_HW.shape, np.bool_)
    clicks: tuple[Click, ...] = ()
    ious: list[float] = []
    while len(ious) < max_clicks and (not ious or ious[-1] < 0.9):
        click = next_click(mask_HW, truth_HW, not_clicked_HW)
        not_clicked_HW[int(click.y), int(click.x)] = False
        clicks = (*clicks, click)
        mask_HW = segment(clicks)
        ious.append(float((mask_HW & (truth_HW == 1)).sum() / (mask_HW | (truth_HW == 1)).sum()))
    return ious


def _with_sessions(interactor: Interactor, key: str, image_HW3: Image, clicks: tuple[Click, ...]) -> Mask:
    prompts = Prompts(
        tuple(c for c in clicks if c.is_positive), tuple(c for c in clicks if not c.is_positive)
    )
    found = interactor.segment(key, lambda: image_HW3, prompts)
    return found.segments[0].mask if found.segments else np.zeros(image_HW3.shape[:2], np.bool_)


def _in_one_run(predictor: Predictor, image_HW3: Image, clicks: tuple[Click, ...]) -> Mask:
    before_the_last = replace(predictor.start(image_HW3), clicks=clicks[:-1])
    return predictor.click(before_the_last, clicks[-1]).mask


def _noc(ious: list[float], target: float, max_clicks: int) -> int:
    return next((n for n, iou in enumerate(ious, start=1) if iou >= target), max_clicks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("latency", "noc"))
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--image", type=Path, help="latency: a photograph, scaled to each size")
    parser.add_argument("--repeat", type=int, default=10, help="latency: frames per size and form")
    parser.add_argument("--samples", type=Path, help="noc: a folder with manifest.json, images and masks")
    parser.add_argument("--max-clicks", type=int, default=20, help="noc: give up after so many")
    options = parser.parse_args()
    if options.what == "latency":
        lines = latency(options.image, options.model, options.device, options.repeat)
    else:
        lines = noc(options.samples, options.model, options.device, options.max_clicks)
    for line in lines:
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
