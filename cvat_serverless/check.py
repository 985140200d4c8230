"""Would an annotator see masks? A deployed function, judged as CVAT judges it.

First its definition, by the rules with which CVAT's server lists functions; then its answers to a click
and to what else annotators do, by the rules of the browser.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cvat_serverless.browser import AnswerError, ShownShape, shown_shapes, through_region
from cvat_serverless.dashboard import Dashboard, DashboardError, Definition, kind, notes_of

MIN_INTERACTOR_VERSION = 2
WIDTH, HEIGHT = 320, 240
DISK = (200, 130)
RADIUS = 50
BOX = ((130, 60), (270, 200))
OUTSIDE = (40, 40)
REGION = (100, 40, 300, 220)
LEAST_SHOWN_CONFIDENCE = 0.5
"""Where CVAT's slider stands until the annotator moves it."""

Point = tuple[int, int]
Image = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: `ok`, or what is wrong with it in `detail`."""

    name: str
    ok: bool
    detail: str
    milliseconds: float | None = None
    answer_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """One request, and what has to come of it: a mask with `inside` in it and `outside` not."""

    name: str
    body: Mapping[str, object]
    width: int = WIDTH
    height: int = HEIGHT
    region: tuple[int, int, int, int] | None = None
    inside: Point | None = DISK
    outside: Point | None = None
    refused: bool = False


def check_function(dashboard: Dashboard, function: Definition) -> Iterator[Check]:
    """Judge the definition and then, one by one, the answers."""
    yield from check_definition(function)
    name = str(function["metadata"]["name"])
    for probe in probes(function):
        yield _run(dashboard, name, probe)


def check_definition(function: Definition) -> Iterator[Check]:
    """Judge what CVAT reads when it lists functions."""
    notes = notes_of(function)
    spec = function.get("spec", {})

    found = kind(function)
    yield Check("type", found == "interactor", found or "missing: CVAT skips the function")

    version = str(notes.get("version", "1"))
    is_current = version.isdecimal() and int(version) >= MIN_INTERACTOR_VERSION
    yield Check("version", is_current, version if is_current else f"{version}: CVAT disables the button")

    description = spec.get("description")
    yield Check("description", bool(description), description or "missing: CVAT cannot list any function")

    state = str(function.get("status", {}).get("state", "unknown"))
    yield Check("state", state == "ready", state)

    for name, default in (("min_pos_points", "1"), ("min_neg_points", "-1")):
        text = str(notes.get(name, default))
        is_whole = text.removeprefix("-").isdecimal()
        yield Check(name, is_whole, text if is_whole else f"'{text}' is not a whole number")

    for name in ("startswith_box", "startswith_box_optional"):
        text = str(notes.get(name, ""))
        misread = text.lower() in ("false", "no", "0")
        yield Check(name, not misread, f"'{text}': CVAT takes any text for true" if misread else text or "no")


def probes(function: Definition) -> Iterator[Probe]:
    """The requests: what annotators do first, then what breaks functions.

    Each holds the least that the function asks for: CVAT sends nothing before.
    """
    notes = notes_of(function)
    n_clicks = _whole(notes, "min_pos_points", 1)
    clicks = _on_disk(max(n_clicks, 1))
    background = [OUTSIDE] * max(_whole(notes, "min_neg_points", -1), 0)
    box = BOX if notes.get("startswith_box") else ()

    def body(
        frame: Image,
        *,
        pos: Sequence[Point] = clicks,
        neg: Sequence[Point] = background,
        box: Sequence[Point] = box,
        origin: Point = (0, 0),
    ) -> dict[str, object]:
        def moved(points: Sequence[Point]) -> list[Point]:
            return [(x - origin[0], y - origin[1]) for x, y in points]

        return {
            "image": _png(frame),
            "pos_points": moved(pos),
            "neg_points": moved(neg),
            "obj_bbox": moved(box),
        }

    frame = _frame()
    yield Probe("a click", body(frame))
    if _whole(notes, "min_neg_points", -1) >= 0:
        yield Probe("a negative click more", body(frame, neg=[*background, OUTSIDE]), outside=OUTSIDE)
    yield Probe("a click on the far corner", body(frame, pos=[*clicks, (WIDTH, HEIGHT)]))
    if notes.get("startswith_box_optional"):
        yield Probe("a box", body(frame, pos=clicks[: max(n_clicks, 0)], box=BOX))
    left, top, right, bottom = REGION
    yield Probe(
        "a region of interest", body(frame[top:bottom, left:right], origin=(left, top)), region=REGION
    )
    if n_clicks == 0 and not box:
        yield Probe("nothing marked", body(frame, pos=[]), inside=None)
    yield Probe("a 16-bit grey frame", body(frame[..., 0].astype(np.uint16) * 257))
    # Beyond the 4 MiB at which Nuclio refuses bodies where the function does not raise the limit.
    noise = np.random.default_rng(0).integers(0, 255, (1000, 1500, 3), dtype=np.uint8)
    noise[:HEIGHT, :WIDTH] = frame
    yield Probe("a large frame", body(noise), 1500, 1000)
    yield Probe("a request without an image", {"pos_points": [DISK], "neg_points": []}, refused=True)


def _whole(notes: Mapping[str, object], name: str, default: int) -> int:
    text = str(notes.get(name, default))
    return int(text) if text.removeprefix("-").isdecimal() else default


def _on_disk(n_clicks: int) -> list[Point]:
    """The disk's middle, and what else is asked for in a circle around it."""
    turns = [2 * math.pi * index / max(n_clicks - 1, 1) for index in range(n_clicks - 1)]
    radius = 0.7 * RADIUS
    around = [(DISK[0] + round(radius * math.cos(t)), DISK[1] + round(radius * math.sin(t))) for t in turns]
    return [DISK, *around]


def _run(dashboard: Dashboard, function: str, probe: Probe) -> Check:
    try:
        answer = dashboard.invoke(function, probe.body)
    except DashboardError as error:
        return Check(probe.name, False, str(error))
    try:
        detail, ok = _judge(probe, answer.status, answer.text), True
    except AnswerError as error:
        detail, ok = str(error), False
    return Check(probe.name, ok, detail, answer.milliseconds, len(answer.text.encode()))


def _judge(probe: Probe, status: int, text: str) -> str:
    if probe.refused:
        if status < 400:
            raise AnswerError(f"Status {status}: an annotator would not learn that the call failed.")
        return f"refused with {status}"
    if status >= 400:
        raise AnswerError(f"Status {status}: the annotator sees an error box. The answer was: {text[:200]}")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AnswerError("The answer is not JSON: CVAT turns it into an error 500.") from error
    if probe.region is not None:
        answer = through_region(answer, probe.region, width=probe.width, height=probe.height)
    shapes = shown_shapes(answer, width=probe.width, height=probe.height)
    _judge_place(probe, shapes)
    return _described(shapes)


def _judge_place(probe: Probe, shapes: Sequence[ShownShape]) -> None:
    if probe.inside is None:
        return
    if not shapes:
        raise AnswerError("The browser says 'No shapes to display', although an object was clicked.")
    for point, wanted in ((probe.inside, True), (probe.outside, False)):
        if point is not None and any(shape.mask[point[::-1]] for shape in shapes) is not wanted:
            raise AnswerError(
                f"The mask is in the wrong place: the pixel {point} is {'not ' if wanted else ''}in it."
            )


def _described(shapes: list[ShownShape]) -> str:
    if not shapes:
        return "no shapes, and no error"
    return ", ".join(
        f"a mask of {int(shape.mask.sum())} pixels"
        + (" (hidden until the slider is below 0.5)" if shape.confidence < LEAST_SHOWN_CONFIDENCE else "")
        for shape in shapes
    )


def _frame() -> npt.NDArray[np.uint8]:
    """A light disk on a dark, slightly uneven ground."""
    rows_H1, columns_1W = np.mgrid[:HEIGHT, :WIDTH]
    grey_HW = (40 + rows_H1 / 12 + columns_1W / 16).astype(np.uint8)
    frame_HW3 = np.dstack([grey_HW, grey_HW, grey_HW])
    cv2.circle(frame_HW3, DISK, RADIUS, (225, 210, 190), -1, cv2.LINE_AA)
    return frame_HW3


def _png(frame: Image) -> str:
    encoded = cv2.imencode(".png", frame)[1]
    return base64.b64encode(encoded.tobytes()).decode()
