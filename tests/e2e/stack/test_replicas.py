"""Several backends behind the stack's nginx, under one name: any of them answers, as one server would."""

from __future__ import annotations

import base64
import os
import re
import signal
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from backend import ritm_serve
from name_server import name_server
from processes import Server, free_port, wait_until
from redis_server import redis_server
from stack_nginx import HTTP, REPLICA, certificates, stack_nginx

PHOTO = Path(__file__).parents[2] / "samples/images/coins.jpg"
CONFIG = """<View><Image name="image" value="$image"/>
<KeyPointLabels name="click" toName="image" smart="true"><Label value="Coin"/></KeyPointLabels>
<BrushLabels name="brush" toName="image"><Label value="Coin"/></BrushLabels></View>"""
BOTH = CONFIG.replace(
    "</View>", '<PolygonLabels name="p" toName="image"><Label value="Coin"/></PolygonLabels></View>'
)
CLICKS = [(25.0, 25.0, True), (30.0, 30.0, True), (60.0, 60.0, False), (26.0, 22.0, True)]
ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
"""Of the containers that have the name. Behind the last is nobody, unless a test puts a server there."""
TRIES = 200
"""Requests begin with any address, so that one that is never met among so many is not there."""


@dataclass(frozen=True)
class Site:
    """Attributes:
    url: of the proxy, for Label Studio.
    port: of the backends, at each of `ADDRESSES`.
    settings: of the backends.
    replicas: those that always run.
    """

    url: str
    port: int
    settings: dict[str, str]
    replicas: tuple[Server, ...]

    def place(self, address: str) -> str:
        return f"{address}:{self.port}"

    def runs(self) -> float:
        """How often the backends have run the network."""
        return sum(network_runs(replica) for replica in self.replicas)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("replicas")
    certificates(folder / "certificates")
    pages, port = {inner: free_port() for inner in (HTTP, 8443, 9443, 9090)}, free_port()
    with ExitStack() as stack:
        short = stack.enter_context(tempfile.TemporaryDirectory(prefix="redis"))
        redis = stack.enter_context(redis_server(Path(short)))
        names = stack.enter_context(name_server({"backend": ADDRESSES}))
        settings = {"SESSION_STORE": redis.url, "RITM_PROJECTS_FOLDER": str(folder / "data/projects")}
        stack.enter_context(stack_nginx(folder, pages, {"backend:9090": f"backend:{port}"}, names))
        replicas = []
        for address in ADDRESSES[:2]:
            (folder / address).mkdir()
            serve = ritm_serve(folder / address, settings, host=address, port=port)
            replicas.append(stack.enter_context(serve))
        yield Site(f"http://127.0.0.1:{pages[9090]}", port, settings, tuple(replicas))


def request_for(count: int, clicks: Sequence[tuple[float, float, bool]] = CLICKS) -> dict[str, Any]:
    """What Label Studio sends after so many clicks."""
    image = "data:image/jpeg;base64," + base64.b64encode(PHOTO.read_bytes()).decode()
    result = [
        {
            "id": f"click{number}",
            "type": "keypointlabels",
            "from_name": "click",
            "to_name": "image",
            "original_width": 384,
            "original_height": 303,
            "is_positive": positive,
            "value": {"x": x, "y": y, "width": 0.5, "keypointlabels": ["Coin"]},
        }
        for number, (x, y, positive) in enumerate(clicks[:count])
    ]
    task = {"id": 1, "data": {"image": image}}
    return {"tasks": [task], "label_config": CONFIG, "params": {"context": {"result": result}}}


def predict(url: str, count: int) -> requests.Response:
    return requests.post(f"{url}/predict", json=request_for(count), timeout=120)


def mask_of(answer: requests.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    (prediction,) = answer.json()["results"]
    (region,) = prediction["result"]
    rle: list[int] = region["value"]["rle"]
    return rle


def network_runs(server: Server) -> float:
    text = requests.get(f"{server.url}/metrics", timeout=60).text
    (count,) = re.findall(r'^ritm_stage_seconds_count{stage="network"} (.*)$', text, re.MULTILINE) or ["0"]
    return float(count)


def test_replicas_answer_as_one(site: Site, tmp_path: Path) -> None:
    masks, met = [], ""
    for count in range(1, len(CLICKS) + 1):
        for _ in range(TRIES):  # until another one than before has answered
            before = site.runs()
            answer = predict(site.url, count)
            mask = mask_of(answer)
            assert site.runs() - before <= 1, "it has replayed what another has run"
            last, met = met, answer.headers[REPLICA].rpartition(", ")[2]
            if met != last:
                break
        else:
            pytest.fail(f"{met} has answered all the time")
        masks.append(mask)

    # A process that has seen nothing, with a database of its own: the truth.
    with ritm_serve(tmp_path, {"SESSION_STORE": f"{site.settings['SESSION_STORE']}?db=1"}) as alone:
        assert [mask_of(predict(alone.url, count)) for count in range(1, len(CLICKS) + 1)] == masks
        assert network_runs(alone) == len(CLICKS)


def test_an_address_behind_which_nobody_is_costs_no_request(site: Site) -> None:
    dead, passed_over = site.place(ADDRESSES[2]), set()
    for _ in range(TRIES):
        for method, path in (("POST", "/webhook"), ("GET", "/versions")):
            body = {"action": "ANNOTATION_CREATED"} if method == "POST" else None
            answer = requests.request(method, site.url + path, json=body, timeout=60)
            assert answer.ok, answer.text
            if answer.headers[REPLICA].startswith(f"{dead}, "):
                passed_over.add(path)
        if len(passed_over) == 2:
            break
    assert passed_over == {"/webhook", "/versions"}


def test_what_a_project_asks_for_is_known_to_all(site: Site) -> None:
    body = {"project": "7.1", "schema": BOTH, "extra_params": {"output": "polygon"}}
    assert requests.post(f"{site.url}/setup", json=body, timeout=60).ok
    click = request_for(1) | {"project": "7.1", "label_config": BOTH}
    for replica in site.replicas:
        (prediction,) = requests.post(f"{replica.url}/predict", json=click, timeout=60).json()["results"]
        assert {region["type"] for region in prediction["result"]} == {"polygonlabels"}


def test_redis_alone_tells_all_what_a_project_asks_for(site: Site, tmp_path: Path) -> None:
    settings = {"SESSION_STORE": site.settings["SESSION_STORE"]}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with ritm_serve(tmp_path / "one", settings) as one, ritm_serve(tmp_path / "two", settings) as two:
        click = request_for(1) | {"project": "8.1", "label_config": BOTH}
        for told, kind in ((one, "polygon"), (two, "brush")):
            body = {"project": "8.1", "schema": BOTH, "extra_params": {"output": kind}}
            assert requests.post(f"{told.url}/setup", json=body, timeout=60).ok
            for server in (one, two):
                answer = requests.post(f"{server.url}/predict", json=click, timeout=60).json()
                found = {region["type"] for region in answer["results"][0]["result"]}
                assert found == {f"{kind}labels"}


def test_replicas_that_answer_in_turn_keep_the_ids_of_polygons(site: Site) -> None:
    clicks = [(26.2, 18.6, True), (90.5, 61.6, True), (26.2, 18.6, True), (90.5, 61.6, True)]
    polygon = CONFIG.replace("Brush", "Polygon")
    coins = []  # the ids of the two coins, of which the second is the larger one, after each click
    for count in range(1, len(clicks) + 1):
        replica = site.replicas[count % 2]
        body = request_for(count, clicks) | {"label_config": polygon}
        answer = requests.post(f"{replica.url}/predict", json=body, timeout=120).json()["results"][0]
        ids = {region["value"]["points"][0][0] > 50: region["id"] for region in answer["result"]}
        assert len(ids) == len(answer["result"]) == min(count, 2)
        coins.append(ids)
    assert coins == [{False: coins[1][False]}, *[coins[1]] * 3]


def test_clicks_survive_the_backend_that_works_on_them(site: Site, tmp_path: Path) -> None:
    """One is held, and killed with clicks that it has taken and not answered: another answers them."""
    address = ADDRESSES[2]
    with (
        ritm_serve(tmp_path, site.settings, host=address, port=site.port) as held,
        ThreadPoolExecutor(TRIES) as annotators,
    ):
        os.killpg(held.process.pid, signal.SIGSTOP)
        clicks: list[Future[requests.Response]] = []

        def it_has_taken_some() -> bool:
            clicks.append(annotators.submit(predict, site.url, 1 + len(clicks) % len(CLICKS)))
            return unread(address, site.port)

        wait_until(it_has_taken_some, "a click at the backend that is held", within_s=TRIES / 4)
        os.killpg(held.process.pid, signal.SIGKILL)
        answers = [click.result() for click in clicks]
    for answer in answers:
        mask_of(answer)
    assert any(answer.headers[REPLICA].startswith(f"{site.place(address)}, ") for answer in answers)


def unread(address: str, port: int) -> bool:
    """Whether a connection to a server here holds bytes that it has not read."""
    ours = "".join(f"{int(part):02X}" for part in reversed(address.split("."))) + f":{port:04X}"
    connected = "01"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(
        row[1] == ours and row[3] == connected and int(row[4].partition(":")[2], 16) > 0 for row in rows
    )
