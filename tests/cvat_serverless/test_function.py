"""The handler itself, over every recorded request, judged by the browser's rules."""

import base64
import io
import json
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nuclio_sdk
import numpy as np
import pytest
from decoding import LARGE, MEMORY_MB
from PIL import Image, ImageOps

from cvat_serverless import main
from cvat_serverless.browser import shown_shapes, through_region
from cvat_serverless.main import Function, handler, init_context
from cvat_serverless.settings import CvatSettings
from ritm_model.images import decode_image

Payload = Callable[[str], Any]

WIDTH, HEIGHT = 24, 16
GOOD = [
    "request_points_1",
    "request_points_2",
    "request_points_pos_neg",
    "request_points_removed",
    "request_points_edge",
    "request_box",
    "request_two_boxes",
    "request_box_and_points",
    "request_bbox_null",
    "request_legacy_no_bbox_key",
    "request_threshold",
    "request_jpeg",
    "request_gray",
    "request_rgba",
    "request_gray16",
]


class Worker:
    """A Nuclio worker within this process: the real context, response and logger of its SDK.

    It runs on torch if nothing else is asked for: to convert a model and measure both engines takes seconds.
    """

    def __init__(self, **settings: object) -> None:
        self.log = io.StringIO()
        logger = nuclio_sdk.Logger(logging.DEBUG, name=f"test-{id(self)}")
        logger.set_handler("default", self.log, nuclio_sdk.logger.JSONFormatter())
        self.context = nuclio_sdk.Context(logger)
        self.context.user_data.function = Function.start(
            CvatSettings.model_validate({"ritm_device": "cpu", "ritm_engine": "torch", **settings})
        )

    def call(self, body: object) -> Any:
        return handler(self.context, nuclio_sdk.Event(body=body))

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@pytest.fixture(scope="module")
def workers(model: str) -> dict[str, Worker]:
    return {form: Worker(ritm_model=model, ritm_cvat_answer=form) for form in ("shapes", "mask")}


@pytest.fixture
def worker(workers: dict[str, Worker]) -> Worker:
    return workers["shapes"]


@pytest.mark.parametrize("form", ["shapes", "mask"])
@pytest.mark.parametrize("name", GOOD)
def test_every_request_gets_an_answer_that_the_browser_shows(
    payload: Payload, workers: dict[str, Worker], name: str, form: str
) -> None:
    response = workers[form].call(payload(name))

    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert shown_shapes(json.loads(response.body), width=WIDTH, height=HEIGHT)


@pytest.mark.parametrize("form", ["shapes", "mask"])
def test_the_bundled_model_marks_what_is_clicked_on(bus_text: str, form: str) -> None:
    body = {"image": bus_text, "pos_points": [[320, 220]], "neg_points": [[60, 60]]}

    answer = json.loads(Worker(ritm_cvat_answer=form, ritm_engine="auto").call(body).body)

    (shape,) = shown_shapes(answer, width=640, height=427)
    assert shape.mask[220, 320]
    assert not shape.mask[60, 60]


@pytest.mark.parametrize("form", ["shapes", "mask"])
def test_a_mask_that_the_browser_would_drop_is_not_sent(workers: dict[str, Worker], form: str) -> None:
    """Two pixels have no outline, and this frame has no more."""
    frame = png(Image.new("RGB", (2, 1), (90, 120, 60)))

    response = workers[form].call({"image": frame, "pos_points": [[0.5, 0.5]], "neg_points": []})

    assert shown_shapes(json.loads(response.body), width=2, height=1) == []


def test_clicks_beyond_the_edge_count_for_the_nearest_pixel(payload: Payload, worker: Worker) -> None:
    body = payload("request_points_edge")
    on_frame = [[min(x, WIDTH - 1), min(y, HEIGHT - 1)] for x, y in body["pos_points"]]
    assert on_frame != body["pos_points"]

    answer = worker.call(body).body

    assert answer == worker.call(body | {"pos_points": on_frame}).body
    assert shown_shapes(json.loads(answer), width=WIDTH, height=HEIGHT)


@pytest.mark.parametrize("form", ["shapes", "mask"])
@pytest.mark.parametrize("name", ["request_no_prompt", "request_points_neg_only"])
def test_nothing_selected_is_shown_as_nothing(
    payload: Payload, workers: dict[str, Worker], name: str, form: str
) -> None:
    response = workers[form].call(payload(name))

    assert response.status_code == 200
    assert shown_shapes(json.loads(response.body), width=WIDTH, height=HEIGHT) == []


def test_a_rotated_photograph_is_answered_upright(payload: Payload, workers: dict[str, Worker]) -> None:
    body = payload("request_exif_rotated")
    stored = Image.open(io.BytesIO(base64.b64decode(body["image"])))
    assert stored.size == (WIDTH, HEIGHT)
    upright = ImageOps.exif_transpose(stored)
    assert upright.size == (HEIGHT, WIDTH)

    for worker in workers.values():
        answer = worker.call(body).body

        assert answer == worker.call(body | {"image": png(upright)}).body
        assert shown_shapes(json.loads(answer), width=HEIGHT, height=WIDTH)


def test_a_region_of_interest_is_mapped_back(payload: Payload, workers: dict[str, Worker]) -> None:
    left, top, right, bottom = payload("cvat_rest_call_roi")["roi"]
    for form in ("shapes", "mask"):
        answer = json.loads(workers[form].call(payload("request_roi")).body)

        moved = through_region(answer, (left, top, right, bottom), width=WIDTH, height=HEIGHT)

        (shape,) = shown_shapes(moved, width=WIDTH, height=HEIGHT)
        assert not shape.mask[:top].any()
        assert not shape.mask[bottom:].any()
        assert not shape.mask[:, :left].any()
        assert not shape.mask[:, right:].any()


def test_a_dict_and_bytes_give_the_same_answer(payload: Payload, worker: Worker) -> None:
    """Nuclio parses the body for one spelling of the content type only."""
    body = payload("request_points_pos_neg")

    assert worker.call(json.dumps(body).encode()).body == worker.call(body).body


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("request_bad_points", "'pos_points' holds a point that is not a pair of numbers"),
        ("request_missing_image", "The request holds no image"),
        ("request_bad_image", "image"),
    ],
)
def test_bad_requests_get_400_and_one_sentence(
    payload: Payload, worker: Worker, name: str, sentence: str
) -> None:
    response = worker.call(payload(name))

    error = json.loads(response.body)["error"]
    assert response.status_code == 400
    assert sentence in error
    assert error.count(". ") == 0
    assert error.endswith(".")
    assert worker.lines[-2]["with"]["reason"] == error, "the log has what the annotator cannot see"


@pytest.mark.parametrize(
    "body", [b"", b"not json", None, [], 7, {"image": "****"}, {"image": "AAA"}, {"image": "\ud800"}]
)
def test_no_body_breaks_the_function(worker: Worker, body: object) -> None:
    response = worker.call(body)

    assert response.status_code == 400
    assert "error" in json.loads(response.body)


def test_a_fault_gets_500_and_an_id_that_the_log_explains(payload: Payload) -> None:
    worker = Worker()
    loaded = worker.context.user_data.function.loaded
    worker.context.user_data.function = SimpleNamespace(answer=divide_by_zero, loaded=loaded)

    response = worker.call(payload("request_points_1"))

    error = json.loads(response.body)["error"]
    assert response.status_code == 500
    assert "Traceback" not in error
    logged = next(line["with"] for line in worker.lines if line["level"] == "error")
    assert logged["error_id"] in error
    assert "ZeroDivisionError" in logged["traceback"]


def divide_by_zero(*_: object) -> str:
    return str(1 / 0)


def test_each_answer_leaves_one_line_with_its_times(payload: Payload, worker: Worker) -> None:
    worker.call(payload("request_points_2"))

    line = worker.lines[-1]
    assert line["message"] == "answered"
    assert line["with"]["status"] == 200
    assert {"read", "hash", "image", "write"} <= line["with"].keys()
    assert payload("request_points_2")["image"] not in worker.log.getvalue(), "no frames in the log"


def test_the_confidence_is_text_and_only_there_when_asked_for(bus_text: str) -> None:
    body = {"image": bus_text, "pos_points": [[320, 220]], "neg_points": []}
    plain, sure = Worker(), Worker(ritm_cvat_confidence=True)

    without = json.loads(plain.call(body).body)["shapes"]
    with_confidence = json.loads(sure.call(body).body)["shapes"]

    assert all("attributes" not in shape for shape in without)
    (attribute,) = with_confidence[0]["attributes"]
    assert attribute["spec_id"] == 0
    assert 0 < float(attribute["value"]) <= 1


def png(image: Image.Image, kind: str = "PNG", **options: object) -> str:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return base64.b64encode(data.getvalue()).decode()


def frames() -> Iterator[tuple[str, str]]:
    """Kinds of files that reach a function beside those recorded."""
    colours = Image.fromarray(np.arange(HEIGHT * WIDTH * 3, dtype=np.uint8).reshape(HEIGHT, WIDTH, 3))
    deep = np.linspace(0, 65535, HEIGHT * WIDTH).astype(np.uint16).reshape(HEIGHT, WIDTH)
    yield "palette", png(colours.quantize(16))
    yield "palette with transparency", png(colours.quantize(16), transparency=0)
    yield "grey with alpha", png(colours.convert("LA"))
    yield "one bit", png(colours.convert("1"))
    yield "tiff", png(colours, "TIFF")
    yield "tiff, LZW", png(colours, "TIFF", compression="tiff_lzw")
    yield "tiff, 16 bit", png(Image.fromarray(deep), "TIFF")
    yield "webp", png(colours, "WEBP")
    yield "bmp", png(colours, "BMP")
    yield "cmyk", png(colours.convert("CMYK"), "JPEG")


FRAMES = dict(frames())


@pytest.mark.parametrize("kind", FRAMES)
def test_every_kind_of_file_is_read(worker: Worker, kind: str) -> None:
    """It gives the mask that the same picture gives as an RGB file."""
    body = {"pos_points": [[7.4, 8.1]], "neg_points": [], "obj_bbox": []}
    as_rgb = png(Image.fromarray(decode_image(base64.b64decode(FRAMES[kind]))))

    response = worker.call(body | {"image": FRAMES[kind]})

    assert response.status_code == 200, response.body
    assert response.body == worker.call(body | {"image": as_rgb}).body
    assert shown_shapes(json.loads(response.body), width=WIDTH, height=HEIGHT)


def test_a_frame_seen_before_is_not_decoded_again(bus_text: str) -> None:
    worker = Worker()
    for points in ([[320, 220]], [[320, 220], [250, 240]], [[100, 300]]):
        worker.call({"image": bus_text, "pos_points": points})

    function = worker.context.user_data.function
    assert function.interactor.annotator.stats().images_loaded == 1


def test_the_context_is_set_up_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RITM_DEVICE", "cpu")
    monkeypatch.setenv("RITM_CVAT_ANSWER", "mask")
    log = io.StringIO()
    logger = nuclio_sdk.Logger(logging.DEBUG, name="test-start")
    logger.set_handler("default", log, nuclio_sdk.logger.JSONFormatter())
    context = nuclio_sdk.Context(logger)

    init_context(context)

    assert context.user_data.function.settings.ritm_cvat_answer == "mask"
    line = json.loads(log.getvalue())
    assert line["message"] == "ready"
    assert line["with"]["version"] == context.user_data.function.interactor.annotator.version


def test_a_frame_for_which_there_is_no_memory_in_time_gets_503(
    payload: Payload, tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(main, "MEMORY_WAIT_SECONDS", 0)
    worker = Worker(ritm_model=model, ritm_memory_mb=MEMORY_MB)
    memory = worker.context.user_data.function.loaded.memory

    with memory.hold(LARGE - 1, float("inf")):  # all that is kept for small frames
        response = worker.call(payload("request_points_1"))

    assert response.status_code == 503
    assert json.loads(response.body)["error"].startswith("There was no memory for this request in time")
    assert worker.call(payload("request_points_1")).status_code == 200
