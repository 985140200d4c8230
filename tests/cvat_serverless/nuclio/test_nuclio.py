"""The function in a process of its own, fed over Nuclio's sockets in Nuclio's packets."""

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from decoding import LARGE, MEMORY_MB, TOTAL, is_free
from nuclio_processor import Processor, StartError, running
from PIL import Image
from processes import wait_until

from cvat_serverless.browser import shown_shapes
from ritm_ops.admission import DecodingMemory, machine_folder

MAIN = Path(__file__).parents[3] / "cvat_serverless" / "main.py"
ODD = Path(__file__).with_name("odd_function.py")

Payload = Callable[[str], Any]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def function() -> Iterator[Processor]:
    with running(MAIN, {"RITM_DEVICE": "cpu", "RITM_ENGINE": "torch"}) as processor:
        yield processor


def body(payload: Payload, name: str) -> bytes:
    return json.dumps(payload(name)).encode()


def test_it_is_ready_after_the_model_is_loaded(function: Processor) -> None:
    assert function.start_logs[-1]["message"] == "ready"
    assert function.start_logs[-1]["with"]["version"]


def test_a_click_is_answered(function: Processor, payload: Payload) -> None:
    reply = function.invoke(body(payload, "request_points_1"))

    assert reply.status == 200
    assert reply.content_type == "application/json"
    shown_shapes(reply.json, width=24, height=16)
    assert reply.logs[-1]["with"]["status"] == 200


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "text/plain", ""])
def test_bytes_are_read_where_nuclio_does_not_parse(
    function: Processor, payload: Payload, content_type: str
) -> None:
    parsed = function.invoke(body(payload, "request_points_2"))

    assert function.invoke(body(payload, "request_points_2"), content_type).body == parsed.body


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null"])
def test_bad_bodies_get_400_and_the_worker_lives_on(
    function: Processor, payload: Payload, data: bytes
) -> None:
    reply = function.invoke(data)

    assert reply.status == 400
    assert reply.json["error"].startswith("The body is not")
    assert function.invoke(body(payload, "request_points_1")).status == 200


def test_a_second_click_on_a_photograph_runs_the_network_once(function: Processor, bus_text: str) -> None:
    clicks = {"image": bus_text, "pos_points": [[320, 220]], "neg_points": []}
    function.invoke(json.dumps(clicks).encode())

    clicks["neg_points"] = [[60, 60]]
    first = function.invoke(json.dumps(clicks).encode())
    again = function.invoke(json.dumps(clicks).encode())

    assert first.body == again.body
    assert "network" in first.logs[-1]["with"]
    assert "network" not in again.logs[-1]["with"], "the same question is answered from memory"


def test_events_that_waited_for_a_worker_are_answered_with_less_work(
    function: Processor, bus_text: str
) -> None:
    def logged(x: int, *, waited_seconds: float) -> dict[str, Any]:
        click = json.dumps({"image": bus_text, "pos_points": [[x, 220]], "neg_points": []}).encode()
        reply = function.invoke(click, received=time.time() - waited_seconds)
        assert reply.status == 200
        fields: dict[str, Any] = reply.logs[-1]["with"]
        return fields

    assert logged(300, waited_seconds=3)["light"]
    assert logged(301, waited_seconds=3)["light"]
    calm = logged(302, waited_seconds=0)
    assert "network" in calm
    assert not calm["light"]


def test_workers_share_the_memory_for_decoding(tmp_path: Path, payload: Payload) -> None:
    """Two workers with a large frame each that needs all of it wait for the test, then for each other.

    A small frame passes them.
    """
    environment = {
        "RITM_DEVICE": "cpu",
        "RITM_ENGINE": "torch",
        "RITM_MEMORY_MB": str(MEMORY_MB),
        "TMPDIR": str(tmp_path),
    }
    frame = io.BytesIO()
    Image.new("RGB", (1500, 1500)).save(frame, "PNG")
    image = base64.b64encode(frame.getvalue()).decode()
    click = json.dumps({"image": image, "pos_points": [[700, 700]], "neg_points": []}).encode()
    budget = DecodingMemory.of_machine(TOTAL, tmp_path / machine_folder().name)

    with (
        running(MAIN, environment) as one,
        running(MAIN, environment) as two,
        running(MAIN, environment) as three,
        ThreadPoolExecutor(2) as pool,
    ):
        with budget.hold(LARGE, float("inf")):
            replies = [pool.submit(worker.invoke, click) for worker in (one, two)]
            wait_until(lambda: not is_free(budget), "a worker that waits", within_s=60)
            assert three.invoke(body(payload, "request_points_1")).status == 200
            assert not any(reply.done() for reply in replies)
        done = [reply.result(60) for reply in replies]

        assert [reply.status for reply in done] == [200, 200]
        assert max(reply.logs[-1]["with"]["memory"] for reply in done) > 0
        with budget.hold(LARGE, float("inf")):
            other = click.replace(b"[700, 700]", b"[700, 701]")
            assert one.invoke(other).status == 200, "a frame that is known needs no memory"


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            {"RITM_MODEL": "no-such-model"},
            "RITM_MODEL cannot be used: 'no-such-model' is neither 'bundled' nor",
        ),
        ({"RITM_MODEL": __file__}, "RITM_MODEL cannot be used: [^']*test_nuclio.py"),
        ({"RITM_CVAT_ANSWER": "polygons"}, "RITM_CVAT_ANSWER should be 'shapes' or 'mask'"),
        ({"RITM_DEVICE": "tpu"}, "RITM_DEVICE cannot be used: 'tpu'"),
    ],
)
def test_a_function_that_cannot_work_does_not_start(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(StartError, match=f"(?s){sentence}.*with status 1:"), running(MAIN, environment):
        pass


class TestTheLoopItself:
    """It breaks functions as Nuclio does; otherwise the tests above would prove nothing."""

    def test_the_content_type_decides_about_the_body(self) -> None:
        with running(ODD, {"ODD": "echo"}) as function:
            assert function.invoke(b'{"a": 1}').json == {"type": "dict"}
            assert function.invoke(b'{"a": 1}', "application/json; charset=utf-8").json == {"type": "bytes"}
            assert function.invoke(b"{").json == {"type": "bytes"}

    def test_a_list_is_taken_for_a_batch(self) -> None:
        with running(ODD, {"ODD": "list"}) as function:
            assert function.invoke(b"{}").status == 500

    def test_an_exception_shows_its_traceback_to_the_caller(self) -> None:
        with running(ODD, {"ODD": "exception"}) as function:
            reply = function.invoke(b"{}")

            assert reply.status == 500
            assert "a secret" in reply.body
            assert "Traceback" in reply.body

    def test_a_failed_start_ends_the_process(self) -> None:
        with pytest.raises(StartError, match="no weights"), running(ODD, {"ODD": "start"}):
            pass
