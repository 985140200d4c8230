"""What boxes, lassos and strokes are worth beside clicks, and the better way to answer them.

Each object of the sample photographs gets a rough box, a rough lasso and a stroke, drawn by rules and
the same each time; each is answered in several ways, and the simulated annotator then clicks until the mask
is good. Clicks are counted with the prompt as one. Photographs count alike, however many objects they have;
intervals are by bootstrap over photographs.

    python bench/clicks/prompts.py --data labels:tests/samples --objects 3       # of each photograph
    python bench/clicks/prompts.py --data coco_rle:OWN --only lasso      # own_benchmark.py has built OWN

Shapes: H x W the image, N points, 2 = (x, y).
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from strokes import iou, objects, stroke_through

from ritm_model import Box, Click, Predictor, Stroke, open_predictor
from ritm_model.evaluation.initial_mask import initial_mask
from ritm_model.inference.geometry import mask_roi
from ritm_model.inference.state import State
from ritm_model.inference.strokes import stroke_clicks
from ritm_model.simulation import next_click, squared_depth

TARGET = 0.9
MOST = 20
ROUGH_BOX = 0.1  # of its size, that an edge of a box is displaced by, at most
ROUGH_LASSO = (0.06, 0.03)  # of the root of the object's area: how far outside, and how much that varies
CORNERS = 24  # of a lasso

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Way = Callable[[Predictor, "Asked"], State]


@dataclass(frozen=True, eq=False)
class Asked:
    """One object: its photograph, its truth, and what an annotator draws."""

    image_HW3: Image
    truth_HW: Mask
    random: np.random.Generator

    @property
    def box(self) -> Box:
        roi = mask_roi(self.truth_HW)
        assert roi is not None
        (height, width), moved = roi.size, self.random.uniform(-ROUGH_BOX, ROUGH_BOX, 4)
        box = Box(
            roi.left + moved[0] * width,
            roi.top + moved[1] * height,
            roi.right + 1 + moved[2] * width,
            roi.bottom + 1 + moved[3] * height,
        ).clipped(self.truth_HW.shape)
        assert box is not None
        return box

    @property
    def lasso(self) -> npt.NDArray[np.float64]:
        root = float(np.sqrt(self.truth_HW.sum()))
        away, varied = ROUGH_LASSO
        reach = max(round(away * root), 1)
        padded = np.pad(self.truth_HW.astype(np.uint8), 2 * reach)
        disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        # Parts that lie apart are taken in by one line, as a hand would.
        closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disk)
        rings, _ = cv2.findContours(cv2.dilate(closed, disk), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        ring_N2 = max(rings, key=len)[:, 0] - 2.0 * reach
        chosen = np.linspace(0, len(ring_N2), min(CORNERS, len(ring_N2)), endpoint=False).astype(int)
        return np.asarray(ring_N2[chosen] + self.random.normal(0, varied * root, (len(chosen), 2)))


def filled(ring_N2: npt.NDArray[np.float64], shape: tuple[int, ...]) -> Mask:
    mask_HW = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask_HW, [np.round(ring_N2 - 0.5).astype(np.int32)], 1)
    return mask_HW > 0


def box_mask(box: Box, shape: tuple[int, ...], *, round_: bool) -> Mask:
    y, x = np.ogrid[: shape[0], : shape[1]]
    u = (x + 0.5 - (box.left + box.right) / 2) / (box.right - box.left) * 2
    v = (y + 0.5 - (box.top + box.bottom) / 2) / (box.bottom - box.top) * 2
    return np.asarray(np.hypot(u, v) <= 1 if round_ else (abs(u) <= 1) & (abs(v) <= 1))


def deepest(mask_HW: Mask) -> Click:
    row, column = np.unravel_index(int(squared_depth(mask_HW).argmax()), mask_HW.shape)
    return Click(column + 0.5, row + 0.5)


def begun(predictor: Predictor, asked: Asked, mask_HW: Mask | None = None, box: Box | None = None) -> State:
    """A mask that was drawn by rule is a first guess, not one to be kept where it is not clicked."""
    return predictor.start(asked.image_HW3, mask_HW, box, keep_mask=False)


def kept_inside(predictor: Predictor, state: State, inside_HW: Mask, most: int, share: float = 0.05) -> State:
    """Negative clicks where the mask has left what was drawn."""
    beside = np.where(inside_HW, -1, 0).astype(np.int8)
    for _ in range(most):
        mask_HW = state.mask
        if (mask_HW & ~inside_HW).sum() <= share * mask_HW.sum():
            break
        state = predictor.click(state, next_click(mask_HW, beside))
    return state


def corners(box: Box) -> list[Click]:
    return [Click(x, y, is_positive=False) for x in (box.left, box.right) for y in (box.top, box.bottom)]


def tight(predictor: Predictor, ratio: float, least: int | None) -> Predictor:
    zoom_in = predictor.options.zoom_in
    assert zoom_in is not None
    zoom_in = replace(zoom_in, expansion_ratio=ratio, min_crop_size=least)
    return Predictor(predictor.engine, replace(predictor.options, zoom_in=zoom_in))


def box_ways(predictor: Predictor, asked: Asked) -> dict[str, State]:
    box, shape = asked.box, asked.truth_HW.shape
    rectangle, ellipse = (box_mask(box, shape, round_=round_) for round_ in (False, True))
    start, oval = (begun(predictor, asked, mask_HW, box) for mask_HW in (None, ellipse))
    after_oval = predictor.click(oval, box.centre)
    everything = [box.centre, *corners(box)]
    return {
        "click in the middle": predictor.click(start, box.centre),
        "rectangle as first mask, click": predictor.click(
            begun(predictor, asked, rectangle, box), box.centre
        ),
        "ellipse as first mask, click": after_oval,
        "ellipse as first mask, two clicks": predictor.click(after_oval, box.centre),
        "click, 4 corners negative, at once": predictor.click_together(start, everything),
        "ellipse, click, 4 corners negative, at once": predictor.click_together(oval, everything),
        "click, tight crop (1.1)": tight(predictor, 1.1, 200).click(start, box.centre),
        "ellipse, click, tight crop (1.1)": tight(predictor, 1.1, 200).click(oval, box.centre),
        "ellipse, click, up to 2 negative where it spills": kept_inside(predictor, after_oval, rectangle, 2),
    }


def lasso_ways(predictor: Predictor, asked: Asked) -> dict[str, State]:
    inside_HW = filled(asked.lasso, asked.truth_HW.shape)
    roi = mask_roi(inside_HW)
    assert roi is not None
    box = Box(roi.left, roi.top, roi.right + 1, roi.bottom + 1)
    click, start = deepest(inside_HW), begun(predictor, asked, box=box)
    guess = begun(predictor, asked, inside_HW, box)
    spread = stroke_clicks(Stroke(inside_HW), start.frame)
    return {
        "the lasso as mask": predictor.start(asked.image_HW3, inside_HW),
        "box, click in the depth": predictor.click(start, click),
        "box, 3 clicks spread": predictor.replay(start, spread),
        "first mask, click in the depth": predictor.click(guess, click),
        "first mask, 2 clicks spread": predictor.replay(
            guess, stroke_clicks(Stroke(inside_HW), start.frame, 2)
        ),
        "first mask, 3 clicks spread": predictor.replay(guess, spread),
        "first mask, click in the depth twice": predictor.replay(guess, (click, click)),
    }


def stroke_ways(predictor: Predictor, asked: Asked) -> dict[str, State]:
    stroke, start = Stroke(stroke_through(asked.truth_HW, 0.6)), begun(predictor, asked)
    clicks = stroke_clicks(stroke, start.frame)
    return {
        "up to 3 clicks in turn": predictor.replay(start, clicks),
        "up to 3 clicks at once": predictor.click_together(start, clicks),
    }


def correcting_ways(predictor: Predictor, asked: Asked) -> dict[str, State]:
    """A stroke over the largest mistake of a mask, of the sign that it needs."""
    truth = asked.truth_HW.astype(np.int8)
    given_HW = initial_mask(truth, sha256(asked.truth_HW.tobytes()).hexdigest())
    click = next_click(given_HW, truth)
    wrong_HW = (asked.truth_HW & ~given_HW) if click.is_positive else (given_HW & ~asked.truth_HW)
    _, parts_HW = cv2.connectedComponents(wrong_HW.astype(np.uint8))
    mistake_HW = parts_HW == parts_HW[int(click.y), int(click.x)]
    line = np.array(stroke_through(mistake_HW, 0.6))
    start = predictor.start(asked.image_HW3, given_HW)
    clicks = stroke_clicks(Stroke(line, click.is_positive), start.frame)
    painted = np.zeros(given_HW.shape, np.uint8)
    width = max(round(float(np.sqrt(squared_depth(mistake_HW).max()))), 1)
    cv2.polylines(painted, [np.round(line).astype(np.int32)[:, None]], False, 1, width)
    painted_HW = given_HW | (painted > 0) if click.is_positive else given_HW & ~(painted > 0)
    with_stroke = predictor.start(asked.image_HW3, painted_HW)
    return {
        "the mask before": start,
        "one click in the depth": predictor.click(start, click),
        "stroke, up to 3 clicks in turn": predictor.replay(start, clicks),
        "painted into the mask": with_stroke,
        "painted into the mask, 1 click": predictor.click(with_stroke, clicks[0]),
        "painted into the mask, up to 3 clicks in turn": predictor.replay(with_stroke, clicks),
        "as the library does": predictor.predict(
            asked.image_HW3, [], [], mask=given_HW, strokes=[Stroke(line, click.is_positive)]
        ),
    }


def click_ways(predictor: Predictor, asked: Asked) -> dict[str, State]:
    state, found = begun(predictor, asked), {}
    for count in (1, 2):
        state = predictor.click(state, next_click(state.mask, asked.truth_HW.astype(np.int8)))
        found[f"{count} simulated"] = state
    return found


PROMPTS = {
    "clicks": click_ways,
    "box": box_ways,
    "lasso": lasso_ways,
    "stroke": stroke_ways,
    "correcting stroke": correcting_ways,
}


COUNTED = {
    "1 simulated": 1,
    "click in the middle": 1,
    "ellipse as first mask, click": 1,
    "first mask, 3 clicks spread": 1,
    "up to 3 clicks in turn": 1,
    "the mask before": 0,
    "one click in the depth": 1,
    "stroke, up to 3 clicks in turn": 1,
    "as the library does": 1,
    "click, 4 corners negative, at once": 1,
}
"""How many prompts these ways count as; of the others only the IoU is measured."""


def counted(predictor: Predictor, state: State, truth_HW: Mask, prompts: int) -> int:
    """Prompts and clicks until the mask is good enough."""
    clicks = prompts
    while iou(state.mask, truth_HW) < TARGET and clicks < MOST:
        state = predictor.click(state, next_click(state.mask, truth_HW.astype(np.int8)))
        clicks += 1
    return clicks


class Row(NamedTuple):
    prompt: str
    way: str
    photograph: str
    iou: float
    clicks: int | None


def measured(
    predictor: Predictor, photograph: str, image_HW3: Image, truth_HW: Mask, prompts: Sequence[str]
) -> Iterator[Row]:
    seed = list(sha256(photograph.encode() + truth_HW.tobytes()).digest())
    for prompt in prompts:
        asked = Asked(image_HW3, truth_HW, np.random.default_rng(seed))
        for way, state in PROMPTS[prompt](predictor, asked).items():
            clicks = counted(predictor, state, truth_HW, COUNTED[way]) if way in COUNTED else None
            yield Row(prompt, way, photograph, iou(state.mask, truth_HW), clicks)


def interval(means: npt.NDArray[np.float64]) -> tuple[float, float]:
    random = np.random.default_rng(0)
    drawn = random.choice(means, (2000, len(means))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def table(rows: Sequence[Row], prompt: str) -> Iterator[str]:
    by_way: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.prompt == prompt:
            by_way[row.way][row.photograph].append(row)
    yield f"| {prompt} | IoU after it | 95 % interval | clicks to {TARGET} | 95 % interval |"
    yield "|---" * 5 + "|"
    for way, photographs in by_way.items():
        ious = np.array([np.mean([row.iou for row in each]) for each in photographs.values()])
        cells = [f"{ious.mean():.3f}", "{:.2f} to {:.2f}".format(*interval(ious)), "", ""]
        counts = [[row.clicks for row in each if row.clicks is not None] for each in photographs.values()]
        if all(counts):
            clicks = np.array([np.mean(each) for each in counts])
            cells[2:] = [f"{clicks.mean():.2f}", "{:.2f} to {:.2f}".format(*interval(clicks))]
        yield f"| {way} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="labels:tests/samples")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--only", choices=list(PROMPTS), action="append", help="may be repeated")
    parser.add_argument("--objects", type=int, default=1000, help="of each photograph, at most")
    parser.add_argument("--output", type=Path, default=Path("prompts.jsonl"), help="a row for each answer")
    options = parser.parse_args()
    prompts = options.only or list(PROMPTS)
    predictor = open_predictor(options.model, engine=options.engine)
    of_photograph: dict[str, list[tuple[Image, Mask]]] = defaultdict(list)
    for photograph, image_HW3, truth_HW in objects(options.data, options.objects):
        of_photograph[photograph].append((image_HW3, truth_HW))
    rows = []
    with options.output.open("w") as output:
        # One of each photograph first, in no order: what is there after an interruption is fair.
        shuffled = sorted(of_photograph.items(), key=lambda one: sha256(one[0].encode()).digest())
        for number in range(max(map(len, of_photograph.values()))):
            for photograph, asked in shuffled:
                for row in (
                    measured(predictor, photograph, *asked[number], prompts) if number < len(asked) else ()
                ):
                    rows.append(row)
                    print(json.dumps(row._asdict()), file=output, flush=True)
    for prompt in prompts:
        print(*table(rows, prompt), sep="\n", end="\n\n")


if __name__ == "__main__":
    main()
