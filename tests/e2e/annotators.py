"""Annotators who click without pause, in the words of Label Studio, and what became of each click."""

from __future__ import annotations

import copy
import hashlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from processes import wait_until

WITHIN_S = 60
_RECORDED = Path(__file__).parents[1] / "payloads/label_studio/15_predict_browser_3_clicks_one_negative.json"
_REQUEST: Mapping[str, Any] = json.loads(_RECORDED.read_text())["json"]
CLICKS = len(_REQUEST["params"]["context"]["result"])

Outcome = int | Literal["refused", "lost"]
"""A status; "refused": nobody took the connection; "lost": somebody took it, and no answer came."""


@dataclass(frozen=True)
class Click:
    """One request: the first `number` clicks on an object of a task. Times are monotonic seconds."""

    task: int
    number: int
    sent: float
    answered: float
    outcome: Outcome
    mask: str  # its hash; nothing without a mask
    message: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def is_well(self) -> bool:
        return self.outcome == 200 and bool(self.mask) and not self.message


def click(url: str, task: int, number: int, image: str, shift: float = 0, source: str = "127.0.0.1") -> Click:
    """Send so many clicks, `shift` percent of the image off the recorded ones, from the address `source`."""
    sent = time.monotonic()
    outcome, answer, headers = _ask(url, json.dumps(request_of(task, number, image, shift)).encode(), source)
    answered = time.monotonic()
    (prediction,) = answer.get("results", [{}])
    regions = prediction.get("result", [])
    mask = hashlib.sha256(json.dumps(regions[0]["value"]["rle"]).encode()).hexdigest() if regions else ""
    message = prediction.get("message", "") or answer.get("error", "")
    return Click(task, number, sent, answered, outcome, mask, message, headers)


def request_of(task: int, number: int, image: str, shift: float = 0) -> dict[str, Any]:
    """What Label Studio sends for so many clicks; beyond the recorded ones, each a little further on."""
    request = copy.deepcopy(dict(_REQUEST))
    request["tasks"][0] |= {"id": task, "data": {"image": image}}
    recorded = request["params"]["context"]["result"]
    clicks = recorded[:number]
    for extra in range(number - len(recorded)):
        again = copy.deepcopy(recorded[0])
        again["value"]["x"] += 0.05 * (extra + 1)
        clicks.append(again | {"id": f"extra{extra}"})
    for region in clicks:
        region["value"]["x"] += shift
    request["params"]["context"]["result"] = clicks
    return request


def _ask(url: str, body: bytes, source: str) -> tuple[Outcome, Mapping[str, Any], Mapping[str, str]]:
    place = urlsplit(url).netloc
    with closing(http.client.HTTPConnection(place, timeout=90, source_address=(source, 0))) as connection:
        try:
            connection.connect()
        except ConnectionRefusedError:
            return "refused", {}, {}
        try:
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), dict(answer.headers)
        except (OSError, http.client.HTTPException):
            return "lost", {}, {}


class Log:
    """Every click of some annotators so far. Thread-safe."""

    def __init__(self, is_at_work: Callable[[], bool]) -> None:
        self.clicks: list[Click] = []
        self._is_at_work = is_at_work

    def since(self, moment: float) -> list[Click]:
        """The clicks that were sent after a moment."""
        return [click for click in list(self.clicks) if click.sent > moment]

    def seconds_until_well(self, moment: float) -> float:
        """From a moment to the first answer to a click of later that went well."""
        return min(click.answered for click in self.since(moment) if click.is_well) - moment

    def wait_for(self, is_there: Callable[[list[Click]], bool], what: str) -> list[Click]:
        """The clicks that were sent from now on, once they are as they should be."""
        now = time.monotonic()
        wait_until(lambda: not self._is_at_work() or is_there(self.since(now)), what, within_s=WITHIN_S)
        return self.since(now)

    def wait_for_well(self, least: int = 2) -> list[Click]:
        """Wait until the last so many of the clicks from now on went well; all from now on."""
        return self.wait_for(
            lambda clicks: len(clicks) >= least and all(click.is_well for click in clicks[-least:]),
            f"{least} clicks that go well",
        )


@contextmanager
def annotators(
    url: str, image: Callable[[int], str], *, people: int = 2, first_task: int = 1, stay: bool = False
) -> Iterator[Log]:
    """Have people click on one object after the other, three times each, until the block ends.

    Each waits for the answer before the next click, and goes home when connections are refused.

    Args:
        url: of the server.
        image: from the number of a task to the reference of its image.
        people: who click at the same time.
        first_task: others follow, and none comes twice.
        stay: on one task each, for one object after the other; else a new task for each object.
    """
    stopped = threading.Event()
    tasks = count(first_task)

    def work() -> None:
        task = next(tasks)
        for round in count():
            shift = round % 500 * 0.01 if stay else 0
            for number in range(1, CLICKS + 1):
                log.clicks.append(click(url, task, number, image(task), shift))
                if stopped.is_set() or log.clicks[-1].outcome == "refused":
                    return
            task = task if stay else next(tasks)

    running: list[Future[None]] = []
    log = Log(lambda: not any(one.done() for one in running))
    with ThreadPoolExecutor(people) as pool:
        running += [pool.submit(work) for _ in range(people)]
        try:
            yield log
        finally:
            stopped.set()
    for one in running:
        one.result()
