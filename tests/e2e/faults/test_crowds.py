"""Slow, greedy and many clients, against a real server: clicks of the others go on."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from annotators import annotators, click, request_of
from backend import ritm_serve, serving_pids
from image_source import ImageSource, photograph
from processes import Server, wait_until

CONNECTIONS = 500
CLICKS = "ritm_clicks_total"
HEAD = "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BEGINNINGS = {
    "half a head": HEAD.format(path="/predict"),
    "half a body": HEAD.format(path="/predict") + "Content-Length: 100000\r\n\r\n" + '{"tasks"',
    "half an event": HEAD.format(path="/webhook") + "Content-Length: 100000\r\n\r\n" + '{"action"',
    "nothing": "",
}


@pytest.fixture(scope="module")
def open_server(
    image_settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with ritm_serve(tmp_path_factory.mktemp("crowds"), image_settings) as running:
        yield running


@pytest.fixture(scope="module")
def hurried_server(
    image_settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One that does less for each click as soon as clicks wait."""
    settings = {**image_settings, "RITM_LIGHT_AFTER_SECONDS": "0.01"}
    with ritm_serve(tmp_path_factory.mktemp("hurried"), settings) as running:
        yield running


@pytest.fixture(scope="module")
def two_processes(
    image_settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server of two processes that have their models."""
    with ritm_serve(tmp_path_factory.mktemp("two"), image_settings, workers=2) as running:
        wait_until(lambda: _ready(running) == 2, "both processes", within_s=400, server=running)
        yield running


@contextmanager
def half_open(url: str, beginning: str) -> Iterator[list[socket.socket]]:
    """Connections that begin a request and do not go on."""
    address = urlsplit(url)
    with ExitStack() as stack:
        opened = []
        for _ in range(CONNECTIONS):
            one = socket.create_connection((address.hostname, address.port or 0), timeout=30)
            opened.append(stack.enter_context(closing(one)))
            one.sendall(beginning.encode())
        yield opened


def health_seconds(url: str) -> float:
    began = time.monotonic()
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)) as connection:
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
    return time.monotonic() - began


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_half_open_connections_stop_nobody(open_server: Server, beginning: str, record_property: Any) -> None:
    first = 1000 * (1 + list(BEGINNINGS).index(beginning))
    with (
        annotators(open_server.url, lambda task: f"/data/upload/slow/{task}.jpg", first_task=first) as log,
        half_open(open_server.url, BEGINNINGS[beginning]),
    ):
        before = time.monotonic()
        log.wait_for_well(6)
        record_property("health_seconds", sorted(health_seconds(open_server.url) for _ in range(20)))
        answered = log.since(before)
    record_property("click_seconds", sorted(one.answered - one.sent for one in answered))
    assert all(one.is_well for one in answered)


def test_a_password_is_asked_for_before_anything_is_read(
    image_settings: Mapping[str, str], tmp_path: Path
) -> None:
    guarded = {**image_settings, "BASIC_AUTH_USER": "anna", "BASIC_AUTH_PASS": "word"}
    with ritm_serve(tmp_path, guarded, health="/live") as server:
        for beginning, status in (("half a body", b"401"), ("half an event", b"200")):
            with half_open(server.url, BEGINNINGS[beginning]) as opened:
                assert all(one.recv(12) == b"HTTP/1.1 " + status for one in opened)


def test_of_many_first_clicks_at_once_none_is_refused(open_server: Server, record_property: Any) -> None:
    with ThreadPoolExecutor(64) as pool:
        clicks = list(
            pool.map(lambda n: click(open_server.url, 50_000 + n, 1, f"/data/upload/many/{n}.jpg"), range(64))
        )
    record_property("click_seconds", sorted(one.answered - one.sent for one in clicks))
    assert all(one.is_well for one in clicks)


def test_a_crowd_is_answered_with_less_work_until_it_is_gone(hurried_server: Server) -> None:
    url = hurried_server.url
    with annotators(url, lambda task: f"/data/upload/crowd/{task}.jpg", people=8) as log:
        wait_until(lambda: _gauge(url, "ritm_light") == 1, "less work", within_s=60)
        log.wait_for_well()
    assert all(one.is_well for one in log.clicks)
    assert click(url, 90_000, 1, "/data/upload/crowd/1.jpg").is_well
    wait_until(lambda: _gauge(url, "ritm_light") == 0, "the usual work", within_s=60)


def test_a_crowd_at_the_demo_is_answered_with_less_work(hurried_server: Server) -> None:
    url = hurried_server.url
    image = requests.post(f"{url}/demo/images", data=photograph(), timeout=30).json()["id"]
    options = requests.get(f"{url}/demo/config", timeout=30).json()["options"]
    options["zoom_in"]["expand_ratio"] = 1.5  # not what Label Studio is answered with
    stopped = Event()

    def ask(x: float) -> None:
        prompt = {"image": image, "clicks": [[x, 300.0, True]], "threshold": 0.5, "options": options}
        form = {"prompt": (None, json.dumps(prompt))}
        requests.post(f"{url}/demo/click", files=form, timeout=60).raise_for_status()

    def click_on(person: int) -> None:
        for number in count():
            if stopped.is_set():
                return
            ask(100 + person + number / 100)

    with ThreadPoolExecutor(8) as pool:
        people = [pool.submit(click_on, person) for person in range(8)]
        try:
            wait_until(lambda: _gauge(url, "ritm_light") == 1, "less work", within_s=60)
        finally:
            stopped.set()
        for person in people:
            person.result(60)
    ask(400)
    wait_until(lambda: _gauge(url, "ritm_light") == 0, "the usual work", within_s=60)


def test_long_sequences_take_a_few_runs_and_longer_ones_are_refused(
    open_server: Server, record_property: Any
) -> None:
    url, image = open_server.url, "/data/upload/long/1.jpg"
    assert click(url, 60_000, 1, image).is_well
    before = _gauge(url, "ritm_sessions")
    long = click(url, 60_000, 100, image)
    assert long.is_well
    record_property("seconds", long.answered - long.sent)
    assert _gauge(url, "ritm_sessions") == before + 8
    refused = click(url, 60_002, 101, image)
    assert (refused.outcome, refused.mask) == (200, "")
    assert "RITM_MAX_CLICKS" in refused.message
    assert '"click not answered"' in open_server.text()


def test_the_image_is_there_when_the_first_click_comes(open_server: Server, source: ImageSource) -> None:
    path = "/data/upload/ahead/1.jpg"
    opened = request_of(70_000, 1, path)
    opened["params"]["context"] = None
    answer = requests.post(f"{open_server.url}/predict", json=opened, timeout=30)
    assert answer.json() == {"results": [[]]}
    wait_until(lambda: path in source.asked, "the image asked for", within_s=30)
    assert click(open_server.url, 70_000, 1, path).is_well
    assert source.asked.count(path) == 1


def test_clicks_of_clients_that_have_gone_are_not_worked_on(
    image_settings: Mapping[str, str], source: ImageSource, tmp_path: Path
) -> None:
    one_place = {**image_settings, "RITM_THREADS": "1"}
    with ritm_serve(tmp_path, one_place) as server, ThreadPoolExecutor(1) as pool:
        source.may_answer.clear()
        source.held = "/data/upload/gone/held.jpg"
        try:
            first = pool.submit(click, server.url, 1, 1, source.held)
            wait_until(lambda: source.held in source.asked, "the place taken", within_s=30)
            address = urlsplit(server.url)
            for task in range(10):
                body = json.dumps(request_of(100 + task, 1, f"/data/upload/gone/{task}.jpg"))
                head = HEAD.format(path="/predict") + f"Content-Length: {len(body)}\r\n\r\n"
                with socket.create_connection((address.hostname, address.port or 0), timeout=30) as client:
                    client.sendall((head + body).encode())
            wait_until(lambda: _gauge(server.url, "ritm_requests_waiting") == 10, "all to wait", within_s=30)
        finally:
            source.held = ""
            source.may_answer.set()
        assert first.result(60).is_well
        assert click(server.url, 200, 1, "/data/upload/gone/1.jpg").is_well
        assert _gauge(server.url, "ritm_clicks_total") == 2
    assert not any(f"/data/upload/gone/{task}.jpg" in source.asked for task in range(2, 10))


def test_gauges_of_two_processes_are_those_of_both(two_processes: Server) -> None:
    url = two_processes.url
    assert len(serving_pids(two_processes)) == 2
    images, sessions = _gauge(url, "ritm_cached_images"), _gauge(url, "ritm_sessions")
    for task in range(12):
        assert click(url, 80_000 + task, 1, f"/data/upload/two/{task}.jpg").is_well
    wait_until(lambda: _gauge(url, "ritm_cached_images") == images + 12, "all images", within_s=30)
    assert {_gauge(url, "ritm_sessions") for _ in range(10)} == {sessions + 12}


def test_a_process_that_ends_leaves_what_it_shares_with_the_others(two_processes: Server) -> None:
    url, ready = two_processes.url, _ready(two_processes)
    ended, stayed = serving_pids(two_processes)
    for task in range(4):
        assert click(url, 81_000 + task, 1, f"/data/upload/shared/{task}.jpg").is_well
    before = _gauge(url, CLICKS)
    assert before >= 4
    os.kill(ended, signal.SIGTERM)
    wait_until(lambda: _ready(two_processes) == ready + 1, "another in its place", within_s=60)
    assert stayed in serving_pids(two_processes)
    assert _gauge(url, CLICKS) == before
    for task in range(8):
        assert click(url, 82_000 + task, 1, f"/data/upload/shared/{task}.jpg").is_well
    assert _gauge(url, CLICKS) == before + 8


def _ready(server: Server) -> int:
    """How many processes have got ready since the start."""
    return server.text().count('"model ready"')


def _gauge(url: str, name: str) -> float:
    page = requests.get(f"{url}/metrics", timeout=30).text
    return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(f"{name} "))
