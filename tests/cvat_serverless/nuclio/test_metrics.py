"""What Prometheus reads of functions and agents: all processes of a machine together, whichever answers."""

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from nuclio_processor import StartError, running
from processes import free_port, wait_until
from prometheus_client.parser import text_string_to_metric_families

from cvat_serverless import metrics
from ritm_ops.environment import SettingsError

MAIN = Path(__file__).parents[3] / "cvat_serverless" / "main.py"
AGENT = """
import os, sys
import PIL.Image
from cvat_serverless.agent import create
from ritm_model.images import ImageError

class Prompts:
    pos_points, neg_points, bounding_box = [(12, 8)], [(1, 1)], None

class Huge(PIL.Image.Image):
    size = 40_000, 30_000

function = create()
try:
    function.preprocess_image(None, Huge())
except ImageError:
    pass
frame = function.preprocess_image(None, PIL.Image.new("RGB", (24, 16), "red"))
function.detect(None, frame, Prompts)
print("ready", flush=True)
if model := sys.stdin.readline().strip():  # again as a process of the same number
    os.environ["RITM_MODEL"] = model
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
"""

Payload = Callable[[str], Any]

pytestmark = pytest.mark.slow


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A machine of its own, as far as processes that share something can tell."""
    return {
        "RITM_DEVICE": "cpu",
        "RITM_ENGINE": "torch",
        "RITM_METRICS_PORT": str(free_port()),
        "TMPDIR": str(tmp_path),
    }


def told(environment: dict[str, str]) -> dict[tuple[str, str], float]:
    """Values by the names of samples and what their labels say."""
    port = environment["RITM_METRICS_PORT"]
    answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30)
    assert answer.status_code == 200
    return {
        (sample.name, " ".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_workers_are_counted_together_and_another_one_answers_when_one_has_ended(
    environment: dict[str, str], payload: Payload
) -> None:
    click = json.dumps(payload("request_points_1")).encode()
    with running(MAIN, environment) as has_port, running(MAIN, environment) as waits:
        assert has_port.invoke(click).status == 200
        assert waits.invoke(click).status == 200
        assert waits.invoke(b"{}").status == 400
        wait_until(lambda: held(environment) == 2, "a look at both caches", within_s=60)
        found = told(environment)
        assert found["ritm_requests_total", "cvat 200"] == 2
        assert found["ritm_requests_total", "cvat 400"] == 1
        assert found["ritm_request_seconds_count", "cvat"] == 3
        assert found["ritm_stage_seconds_count", "network"] == 2
        assert found["ritm_clicks_total", ""] >= 2
        assert found["ritm_ready", ""] == 1
        assert [value for (name, _), value in found.items() if name == "ritm_model_info"] == [1]

        has_port.stop()
        wait_until(lambda: answers(environment), "an answer of the other one", within_s=60)
        assert told(environment)["ritm_requests_total", "cvat 200"] == 2
        assert held(environment) == 1


def held(environment: dict[str, str]) -> float:
    """States that living processes remember."""
    return told(environment)["ritm_sessions", ""]


def answers(environment: dict[str, str]) -> bool:
    try:
        return bool(told(environment))
    except requests.ConnectionError:
        return False


def versions(found: dict[tuple[str, str], float]) -> set[str]:
    return {labels for (name, labels), value in found.items() if name == "ritm_model_info" and value}


def test_an_agent_is_counted_by_the_same_names(environment: dict[str, str], model: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", AGENT],
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        found = told(environment)
        process.stdin.write(f"{model}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        again = told(environment)
        process.kill()
    assert found["ritm_requests_total", "cvat 200"] == 1
    assert found["ritm_requests_total", "cvat 400"] == 1
    assert found["ritm_clicks_total", ""] == 2
    assert again["ritm_clicks_total", ""] == 4
    assert versions(found) != versions(again)
    assert len(versions(again)) == 1, "nothing is held any more by the process before"


def test_a_port_that_is_none_is_one_sentence(environment: dict[str, str]) -> None:
    with (
        pytest.raises(StartError, match="RITM_METRICS_PORT should be less than or equal to 65535"),
        running(MAIN, environment | {"RITM_METRICS_PORT": "65536"}),
    ):
        pass


def test_a_port_that_may_not_be_used_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")  # as nobody but root gets it

    monkeypatch.setattr(metrics, "start_http_server", refuse)
    with pytest.raises(SettingsError, match="RITM_METRICS_PORT cannot be used: 80, Permission denied"):
        metrics.serve(80, tmp_path, is_alone=True)


def test_a_port_that_somebody_else_has_is_one_sentence(environment: dict[str, str]) -> None:
    port = int(environment["RITM_METRICS_PORT"])
    with (
        socket.create_server(("", port)),
        pytest.raises(StartError, match=f"RITM_METRICS_PORT cannot be used: {port} is taken by another"),
        running(MAIN, environment),
    ):
        pass
