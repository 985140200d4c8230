"""`ritm serve` as a real process."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from gunicorn.config import Config

from ritm_backend import server
from ritm_backend.cli import serve
from ritm_backend.settings import Settings

PAYLOADS = Path(__file__).parents[2] / "payloads/label_studio"


class Gate(BaseHTTPRequestHandler):
    """An image route that tells when it was asked, and answers when it may."""

    def do_GET(self) -> None:
        gate: Any = self.server
        gate.reached.set()
        gate.may_answer.wait(120)
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gate() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Gate) as running:
        held: Any = running
        held.reached, held.may_answer = threading.Event(), threading.Event()
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield held
        held.may_answer.set()
        running.shutdown()


@pytest.fixture
def process(gate: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A serving process on a free port, and its address."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("RITM_", "LABEL_STUDIO"))
    }
    environment["LABEL_STUDIO_URL"] = f"http://127.0.0.1:{gate.server_address[1]}"
    running = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ritm_model",
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--device",
            "cpu",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, (line, running.stderr and running.stderr.read())
        yield running, found[0]
    finally:
        running.kill()
        running.communicate()


def ask(url: str, body: bytes | None = None) -> Any:
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=120) as answer:
        return json.loads(answer.read())


@pytest.mark.slow
def test_health_is_answered_while_a_prediction_runs_and_sigterm_lets_it_finish(process, gate):
    running, url = process
    body = json.dumps(json.loads(next(PAYLOADS.glob("04_*")).read_text())["json"]).encode()
    results: list[Any] = []
    prediction = threading.Thread(target=lambda: results.append(ask(f"{url}/predict", body)))
    prediction.start()
    assert gate.reached.wait(120), "the prediction asked for its image"

    assert ask(f"{url}/health")["status"] == "UP"
    assert ask(f"{url}/ready")["status"] == "READY"
    assert results == [], "the prediction was still running"

    running.send_signal(signal.SIGTERM)
    gate.may_answer.set()
    prediction.join(60)
    _, log = running.communicate(timeout=60)

    assert results[0]["results"][0]["result"] == []
    assert "no image" in results[0]["results"][0]["message"]
    assert running.returncode == 0
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert any(line.get("path") == "/predict" and line["status"] == 200 for line in lines)
    assert "Traceback" not in log


def test_a_port_that_is_taken_is_said_in_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(server.ServeError, match=f"Port {port} on 127.0.0.1 is already in use"):
            server.listen("127.0.0.1", port)


def test_an_address_that_is_not_ours_is_said_in_one_sentence():
    with pytest.raises(server.ServeError, match=r"cannot listen on port 9090 of 203\.0\.113\.7"):
        server.listen("203.0.113.7", 9090)


def test_wrong_settings_are_said_in_one_sentence(monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    result = CliRunner().invoke(serve, ["--device", "toaster"])

    assert result.exit_code == 1
    assert "RITM_DEVICE" in str(result.exception)


def test_a_model_that_is_not_there_is_said_before_anything_is_served():
    done = subprocess.run(
        [sys.executable, "-m", "ritm_model", "serve", "--port", "0", "--model", "nonsense"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"Error: There is no model 'nonsense'; known ones are bundled, .*\.\n", done.stderr)


@pytest.fixture
def start(monkeypatch):
    """Run `ritm serve` up to where it would serve."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(server, "run", lambda settings, listener, workers: listener.close())

    def invoke(*options, **environment):
        os.environ.update(environment)
        return CliRunner().invoke(serve, ["--port", "0", *options], catch_exceptions=False)

    return invoke


def test_it_says_how_to_connect_without_a_token_on_the_command_line(start):
    said = start("--host", "127.0.0.1")

    assert "ritm connect --backend http://127.0.0.1:" in said.stdout
    assert "LABEL_STUDIO_API_KEY" in said.stdout
    assert "--token" not in said.output
    assert said.stderr == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "localhost.example"])
def test_whoever_serves_others_without_a_password_gets_one_printed_once(start, monkeypatch, host):
    monkeypatch.setattr(server, "listen", lambda host, port: socket.create_server(("127.0.0.1", 0)))
    said = start("--host", host)

    (password,) = re.findall(r"user ritm, password (\S{20,})\. ", said.stdout)
    assert os.environ["BASIC_AUTH_PASS"] == password  # what the processes that serve will ask for
    assert said.output.count(password) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_who_serves_this_machine_only_needs_no_password(start, host):
    assert "password" not in start("--host", host).output
    assert "BASIC_AUTH_PASS" not in os.environ


def test_a_password_of_the_administrator_is_kept(start):
    assert "password" not in start("--host", "0.0.0.0", BASIC_AUTH_USER="anna", BASIC_AUTH_PASS="x").output
    assert os.environ["BASIC_AUTH_PASS"] == "x"


def test_it_warns_of_an_open_port_that_was_asked_for(start):
    (warning,) = start("--host", "0.0.0.0", RITM_AUTH="off").stderr.splitlines()
    assert warning.startswith("Warning: anybody who reaches this port")
    assert "BASIC_AUTH_PASS" not in os.environ


def test_the_log_of_the_server_below_holds_no_tracebacks_either(capsys):
    log = server._Log(Config())
    try:
        int("secret detail")
    except ValueError:
        log.exception("Error handling request")

    log.error_log.handlers.clear()  # they write to what pytest is about to close

    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["fault"] == "ValueError"
    assert "secret" not in line


@pytest.mark.parametrize(
    ("memory_mb", "workers", "cache_mb"), [(8192, 1, 2048), (8192, 4, 512), (2048, 1, 512), (2, 2, 1)]
)
def test_the_caches_take_no_more_than_a_quarter_of_the_memory(memory_mb, workers, cache_mb):
    assert server.with_cache_within(Settings(), memory_mb << 20, workers).cache_mb == cache_mb
