"""What a click costs in Label Studio by kind and number of the regions that stand in the task already.

Starts a real Label Studio and `ritm serve`, leaves so many regions in the drafts of tasks, and asks for
clicks as the editor does, from one kind to the next: from the REST request to Label Studio to its answer, the
median of several, and the processor time of both servers, the mean. Prints one Markdown row per kind, with
the bytes of the draft.

    python bench/regions/region_round_trip.py --template FOLDER     # made once; keeps a migrated Label Studio
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from time import clock_gettime, perf_counter

import cv2
import numpy as np
from region_kinds import blob, part_of, values

sys.path.insert(0, str(Path(__file__).parents[2] / "tests/servers"))
from backend import connected, ritm_serve, serving_pids
from label_studio_server import LEGACY_TOKEN, LOCAL_BACKENDS, LabelStudio, label_studio, prepare_template
from processes import Server

from ritm_backend.connect.config import KIND_TAGS
from ritm_backend.label_studio.answers import RegionAnswer, results_of, to_json
from ritm_backend.label_studio.config import Control
from ritm_backend.label_studio.options import KINDS, Kind
from ritm_backend.label_studio.outputs import Output
from ritm_backend.label_studio.regions import Frame

WIDTH, HEIGHT = 1920, 1080
COUNTS = (1, 20, 100)
CONTROLS = "".join(
    f'<{tag}Labels name="{kind}" toName="image"><Label value="Cat"/></{tag}Labels>'
    for kind, tag in KIND_TAGS.items()
)
CONFIG = f"""<View><Image name="image" value="$image"/>
<KeyPoint name="click" toName="image" smart="true"/>{CONTROLS}</View>"""
CLICK = {
    "id": "click",
    "type": "keypoint",
    "from_name": "click",
    "to_name": "image",
    "original_width": WIDTH,
    "original_height": HEIGHT,
    "is_positive": True,
    "value": {"x": 2.0, "y": 2.0, "width": 0.5},  # beside the regions: none is refined
}


def regions(kind: Kind, count: int) -> bytes:
    """A result of so many regions, as JSON."""
    part = part_of(blob(WIDTH, HEIGHT))
    (value,) = values(kind, part)
    control = Control(f"{KIND_TAGS[kind].lower()}labels", kind, ("image",), None, is_smart=False)
    frame = Frame("image", None, WIDTH, HEIGHT, 0)
    results: list[dict[str, object]] = []
    for number in range(count):
        output = Output(kind, control, control)
        answer = RegionAnswer(
            id=f"{kind}{number}",
            frame=frame,
            size=(WIDTH, HEIGHT),
            value=value,
            output=output,
            label="Cat",
            score=1.0,
        )
        results += results_of(answer)
    return to_json(results)


def busy_ms(pids: Iterable[int]) -> float:
    """Processor time of processes so far, all their threads together."""
    return sum(clock_gettime(~pid << 3 | 2) for pid in pids) * 1000  # as clock_getcpuclockid(3) names it


class Clicks:
    """Clicks on tasks whose drafts hold regions of one kind."""

    def __init__(self, studio: LabelStudio, backend: Server, picture: Path, kind: Kind) -> None:
        self._studio, self.kind = studio, kind
        self._pids = [studio.server.process.pid, *serving_pids(backend)]
        title = f"Round trip {kind}"
        body = {"title": title, "label_config": CONFIG}
        project = studio.call("POST", "/api/projects", json=body)["id"]
        self._tasks = {}
        for count in COUNTS:
            self._tasks[count] = studio.upload(project, picture)["id"]
            self.stored = regions(kind, count)
            draft = {"result": json.loads(self.stored), "lead_time": 1.0}
            studio.call("POST", f"/api/tasks/{self._tasks[count]}/drafts", json=draft)
        connected(studio.url, LEGACY_TOKEN, "--project", title, "--backend", backend.url)
        (connection,) = studio.call("GET", f"/api/ml?project={project}")
        self._route = f"/api/ml/{connection['id']}/interactive-annotating"
        self._took: dict[int, list[tuple[float, float]]] = {count: [] for count in COUNTS}

    def click(self, count: int) -> None:
        click = {**CLICK, "id": f"click{len(self._took[count])}"}
        body = {"task": self._tasks[count], "context": {"result": [click]}}
        busy, start = busy_ms(self._pids), perf_counter()
        answer = self._studio.call("POST", self._route, json=body)
        took = (perf_counter() - start) * 1000
        assert "errors" not in answer, answer
        self._took[count].append((took, busy_ms(self._pids) - busy))

    def row(self) -> str:
        cells = [
            f"{median(took for took, _ in found[1:]):.0f} ({mean(busy for _, busy in found[1:]):.0f})"
            for found in self._took.values()  # the first one decodes the picture
        ]
        return f"| {self.kind} | {' | '.join(cells)} | {len(self.stored) / 1000:,.0f} kB |"


def run(studio: LabelStudio, backend: Server, folder: Path, repeat: int) -> None:
    picture = folder / "picture.jpg"
    cv2.imwrite(str(picture), np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
    kinds = [Clicks(studio, backend, picture, kind) for kind in KINDS]
    for _ in range(repeat + 1):
        for count in COUNTS:
            for clicks in kinds:
                clicks.click(count)
    print("| kind | " + " | ".join(f"{count} regions" for count in COUNTS) + " | stored |")
    print("|---" * (len(COUNTS) + 2) + "|")
    for clicks in kinds:
        print(clicks.row())


def begin(about: str | None, run: Callable[[LabelStudio, Server, Path, int], None], repeat: int) -> None:
    """Read the command line and call `run` with a Label Studio, a backend, an empty folder, and how often."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--template", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=repeat)
    options = parser.parse_args()
    prepare_template(options.template)
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "backend").mkdir()
        with label_studio(options.template, folder / "studio", LOCAL_BACKENDS, legacy=True) as studio:
            access = {"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": studio.personal_token}
            with ritm_serve(folder / "backend", access) as backend:
                run(studio, backend, folder, options.repeat)


if __name__ == "__main__":
    begin(__doc__, run, 5)
