"""Clients who take more than others, against a real server: whoever else clicks goes on."""

from __future__ import annotations

import json
import random
import socket
import struct
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from threading import Event, Thread
from urllib.parse import urlsplit

import pytest
import requests
from annotators import click, request_of
from backend import ritm_serve
from image_source import ImageSource, photograph
from processes import Server, wait_until

ANOTHER = "127.0.0.2"
HEAD = (
    "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    "Content-Length: {}\r\n\r\n"
)
WAITING = 300  # more than there are threads


@pytest.fixture(scope="module")
def small_server(
    image_settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One with two places, and room for some thirty photographs."""
    settings = {**image_settings, "RITM_THREADS": "2", "RITM_CACHE_MB": "64"}
    with ritm_serve(tmp_path_factory.mktemp("greedy"), settings) as running:
        yield running


@contextmanager
def asking(url: str, requests_: list[bytes], source: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    """Connections that have sent a request each, and read nothing."""
    address = urlsplit(url)
    with ExitStack() as stack:
        opened = []
        for data in requests_:
            one = socket.socket()
            stack.enter_context(closing(one))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            one.settimeout(60)
            one.bind((source, 0))
            one.connect((address.hostname, address.port))
            one.sendall(data)
            opened.append(one)
        yield opened


def predict(task: int, image: str) -> bytes:
    body = json.dumps(request_of(task, 1, image)).encode()
    return HEAD.format(len(body)).encode() + body


@contextmanager
def held(source: ImageSource, path: str, *, drips: bool) -> Iterator[None]:
    """The image at a path does not come, or byte by byte, until the block ends."""
    source.may_answer.clear()
    source.held, source.drips = path, drips
    try:
        yield
    finally:
        source.may_answer.set()
        source.held, source.drips = "", False


@pytest.mark.parametrize("drips", [True, False])
def test_images_that_come_slowly_hold_no_places(
    small_server: Server, source: ImageSource, drips: bool
) -> None:
    url, path = small_server.url, f"/data/upload/slow/{drips}.jpg"
    first = 1000 if drips else 2000
    with ThreadPoolExecutor(6) as pool:
        with held(source, path, drips=drips):
            slow = [pool.submit(click, url, first + task, 1, path) for task in range(6)]
            wait_until(lambda: source.asked.count(path) == 6, "all are fetched", within_s=60)
            for number in (1, 2, 3):
                assert click(url, first + 100, number, "/data/upload/quick/1.jpg").is_well
            assert not any(one.done() for one in slow)
        assert all(one.result(90).is_well for one in slow)


def test_images_that_come_slowly_keep_no_others_from_being_fetched_ahead(
    small_server: Server, source: ImageSource
) -> None:
    url, path, quick = small_server.url, "/data/upload/ahead/slow.jpg", "/data/upload/ahead/quick.jpg"
    with held(source, path, drips=True):
        for task, image in ((2500, path), (2501, quick)):
            opened = request_of(task, 1, image)
            opened["params"]["context"] = None
            assert requests.post(f"{url}/predict", json=opened, timeout=30).json() == {"results": [[]]}
            wait_until(lambda image=image: image in source.asked, "it is fetched", within_s=60)  # type: ignore[misc]
        assert click(url, 2501, 1, quick).is_well
        assert source.asked.count(quick) == 1


def test_many_waiting_clicks_of_one_client_leave_threads_to_others(
    small_server: Server, source: ImageSource
) -> None:
    url, path = small_server.url, "/data/upload/many/held.jpg"
    with held(source, path, drips=False):
        flood = [predict(3000 + task, path) for task in range(WAITING)]
        with asking(url, flood, ANOTHER):
            wait_until(lambda: path in source.asked, "the flood has begun", within_s=60)
            for number in (1, 2, 3):
                assert click(url, 4000, number, "/data/upload/beside/1.jpg").is_well
    assert click(url, 4001, 1, "/data/upload/beside/2.jpg").is_well


def test_one_client_that_opens_many_tasks_leaves_others_what_they_had(
    small_server: Server, source: ImageSource
) -> None:
    url = small_server.url
    images = {task: f"/data/upload/own/{task}.jpg" for task in (5000, 5001)}
    for task, image in images.items():
        assert click(url, task, 1, image, source="127.0.0.3").is_well
    for task in range(60):  # 82 MB
        assert click(url, 5100 + task, 1, f"/data/upload/thrash/{task}.jpg", source=ANOTHER).is_well
    for task, image in images.items():
        assert click(url, task, 2, image, source="127.0.0.3").is_well
        assert source.asked.count(image) == 1


def test_answers_read_byte_by_byte_stop_nobody(small_server: Server) -> None:
    ended = Event()
    page = b"GET /web/samples/bear.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with asking(small_server.url, [page] * 100) as readers:

        def drip() -> None:
            while not ended.wait(0.05):
                for one in readers:
                    one.recv(1)

        thread = Thread(target=drip)
        thread.start()
        try:
            for number in (1, 2, 3):
                assert requests.get(f"{small_server.url}/health", timeout=30).ok
                assert click(small_server.url, 6000, number, "/data/upload/bytes/1.jpg").is_well
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize("reads", [0, 20])
def test_connections_that_are_reset_in_mid_answer_leave_nothing_behind(
    small_server: Server, reads: int
) -> None:
    page = b"GET /web/samples/bear.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n"
    clicks = [predict(7000 + reads, "/data/upload/reset/1.jpg")] * 20
    with asking(small_server.url, [page] * 50 + clicks) as opened:
        for one in opened:
            if reads:
                one.recv(reads)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()
    for number in (1, 2, 3):
        assert click(small_server.url, 7100 + reads, number, "/data/upload/reset/2.jpg").is_well
    page_of_metrics = requests.get(f"{small_server.url}/metrics", timeout=30).text
    assert "\nritm_requests_waiting 0.0\n" in page_of_metrics
    assert "\nritm_faults_total 0.0\n" in page_of_metrics
    assert '"connection failed"' not in small_server.text()


def test_guessed_ids_of_the_demo_lead_to_nothing(small_server: Server) -> None:
    url, dice = small_server.url, random.Random(1)
    image = requests.post(f"{url}/demo/images", data=photograph(), timeout=30).json()["id"]
    options = requests.get(f"{url}/demo/config", timeout=30).json()["options"]
    before = sessions(url)
    near = [image[:-1] + digit for digit in "0123456789abcdef" if digit != image[-1]]
    far = [f"{dice.getrandbits(256):064x}" for _ in range(100)]
    odd = [image.upper(), image[:63], f"{image}0", f"../{image}", f"{image}%00", "", "*"]
    for guess in near + far + odd:
        prompt = {"image": guess, "clicks": [[1.0, 1.0, True]], "threshold": 0.5, "options": options}
        answer = requests.post(f"{url}/demo/click", files={"prompt": (None, json.dumps(prompt))}, timeout=30)
        picture = requests.get(f"{url}/demo/images/{guess}", timeout=30)
        assert answer.status_code in (400, 409), guess
        assert picture.status_code in (404, 405, 409), guess
        assert not {"runs", "width"} & answer.json().keys()
    assert sessions(url) == before
    assert click(url, 8000, 1, "/data/upload/guess/1.jpg").is_well


def sessions(url: str) -> list[str]:
    lines = requests.get(f"{url}/metrics", timeout=30).text.splitlines()
    return [line for line in lines if line.startswith(("ritm_sessions ", "ritm_cached_images "))]
