"""What answers of each kind of region cost beside the network: in the server, and in Label Studio's editor.

Starts `ritm serve` and a real Label Studio, and opens pictures of three sizes in Chromium. For each kind in
turn:

* The server is asked for clicks whose mask it remembers, so that the network has nothing to do: processor
  time from the request to the last byte of the answer.
* The editor is given that answer as a suggestion, as after a click: processor time of the browser until it is
  drawn.

Prints one Markdown row per size and kind: bytes of the answer, the medians, and their sum.

    python bench/regions/region_answers.py --template FOLDER   # made once; keeps a migrated Label Studio
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import sleep
from typing import Any

import cv2
import requests
from playwright.sync_api import CDPSession, Page
from region_kinds import SIZES
from region_round_trip import CONFIG, CONTROLS, begin, busy_ms

sys.path.insert(0, str(Path(__file__).parents[2] / "tests/servers"))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests/e2e"))
from backend import connected, serving_pids
from label_studio_editor import browser_page, open_task
from label_studio_server import LEGACY_TOKEN, LabelStudio
from processes import Server

from ritm_backend.connect.config import KIND_TAGS
from ritm_backend.label_studio.options import KINDS, Kind

PHOTO = Path(__file__).parents[2] / "tests/samples/images/bus.jpg"
SHOW = "(answer) => Htx.annotationStore.selected.setSuggestions(JSON.parse(answer))"
QUIET_MS, POLLS, BETWEEN_POLLS_S = 4, 3, 0.15  # the browser has drawn when it does nothing for so long


def config_of(kind: Kind) -> str:
    """The configuration of the editor with the control of one kind alone."""
    tag, closing = KIND_TAGS[kind], f"</{KIND_TAGS[kind]}Labels>"
    own = CONTROLS[CONTROLS.index(f"<{tag}Labels") : CONTROLS.index(closing) + len(closing)]
    return CONFIG.replace(CONTROLS, own)


def asked(task: dict[str, Any], size: tuple[int, int], kind: Kind) -> dict[str, Any]:
    """A click in the middle of the picture, as Label Studio passes it on."""
    click = {
        "id": "click",
        "type": "keypoint",
        "from_name": "click",
        "to_name": "image",
        "original_width": size[0],
        "original_height": size[1],
        "is_positive": True,
        "value": {"x": 50, "y": 45, "width": 0.5},
    }
    return {
        "tasks": [{"id": task["id"], "data": task["data"], "annotations": [], "predictions": []}],
        "project": "1.1",
        "label_config": config_of(kind),
        "params": {"context": {"result": [click]}},
    }


def browser_ms(session: CDPSession) -> float:
    """Processor time of all processes of the browser so far."""
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    return sum(float(each["cpuTime"]) for each in found) * 1000


def quiet_ms(session: CDPSession) -> float:
    """The same, when everything is drawn."""
    found, quiet = browser_ms(session), 0
    while quiet < POLLS:
        sleep(BETWEEN_POLLS_S)
        now = browser_ms(session)
        quiet = quiet + 1 if now - found < QUIET_MS else 0
        found = now
    return found


def measured(
    page: Page, backend: Server, task: dict[str, Any], size: tuple[int, int], repeat: int
) -> Iterator[str]:
    browser = page.context.browser
    assert browser is not None
    session = browser.new_browser_cdp_session()
    pids = list(serving_pids(backend))
    server: dict[Kind, list[float]] = {kind: [] for kind in KINDS}
    editor: dict[Kind, list[float]] = {kind: [] for kind in KINDS}
    sizes: dict[Kind, int] = {}
    for _ in range(repeat + 1):
        for kind in KINDS:
            body = json.dumps(asked(task, size, kind)).encode()
            before = busy_ms(pids)
            answer = requests.post(
                f"{backend.url}/predict", body, headers={"Content-Type": "application/json"}, timeout=120
            )
            server[kind].append(busy_ms(pids) - before)
            (result,) = answer.json()["results"]
            assert result["result"], answer.text[:300]
            sizes[kind] = len(answer.content)
            page.evaluate(SHOW, "[]")
            before = quiet_ms(session)
            page.evaluate(SHOW, json.dumps(result["result"]))
            editor[kind].append(quiet_ms(session) - before)
    for kind in KINDS:
        parts = [median(each[kind][1:]) for each in (server, editor)]
        cells = (f"{sizes[kind]:,}", *(f"{part:.1f}" for part in (*parts, sum(parts))))
        yield f"| {size[0]} x {size[1]} | {kind} | {' | '.join(cells)} |"


def run(studio: LabelStudio, backend: Server, folder: Path, repeat: int) -> None:
    body = {"title": "Answers", "label_config": CONFIG}
    project = studio.call("POST", "/api/projects", json=body)["id"]
    connected(studio.url, LEGACY_TOKEN, "--project", "Answers", "--backend", backend.url)
    photo = cv2.imread(str(PHOTO))
    assert photo is not None
    print("| picture | kind | bytes | server, ms | editor, ms | both, ms |\n|---|---|---|---|---|---|")
    with browser_page() as page:
        for size in SIZES:
            picture = folder / f"{size[0]}.jpg"
            cv2.imwrite(str(picture), cv2.resize(photo, size, interpolation=cv2.INTER_AREA))
            task = studio.upload(project, picture)
            open_task(page, studio, project, task, picture)
            for row in measured(page, backend, task, size, repeat):
                print(row, flush=True)


if __name__ == "__main__":
    begin(__doc__, run, 9)
