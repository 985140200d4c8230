"""What a click costs in Label Studio by kind and number of the regions that stand in the task already.

Starts a real Label Studio and `ritm serve`, leaves so many regions in the draft of a task, and asks for a
click as the editor does: from the REST request to Label Studio to its answer, the median of several. Prints
one Markdown row per kind, with the bytes of the draft.

    python bench/region_round_trip.py --template FOLDER      # made once; keeps a migrated Label Studio
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import cv2
import numpy as np
from region_kinds import blob, part_of, values

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/servers"))
from backend import connected, ritm_serve
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


def measured(studio: LabelStudio, project: int, picture: Path, kind: Kind, repeat: int) -> str:
    (connection,) = studio.call("GET", f"/api/ml?project={project}")
    cells, stored = [], b""
    for count in COUNTS:
        task = studio.upload(project, picture)["id"]
        stored = regions(kind, count)
        draft = {"result": json.loads(stored), "lead_time": 1.0}
        studio.call("POST", f"/api/tasks/{task}/drafts", json=draft)
        times = []
        for number in range(repeat + 1):
            click = {**CLICK, "id": f"click{number}"}
            body = {"task": task, "context": {"result": [click]}}
            start = perf_counter()
            answer = studio.call("POST", f"/api/ml/{connection['id']}/interactive-annotating", json=body)
            times.append((perf_counter() - start) * 1000)
            assert "errors" not in answer, answer
        cells.append(f"{median(times[1:]):.0f} ms")  # the first one decodes the picture
    return f"| {kind} | {' | '.join(cells)} | {len(stored) / 1000:,.0f} kB |"


def run(studio: LabelStudio, backend: Server, folder: Path, repeat: int) -> None:
    picture = folder / "picture.jpg"
    cv2.imwrite(str(picture), np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
    print("| kind | " + " | ".join(f"{count} regions" for count in COUNTS) + " | stored |")
    print("|---" * (len(COUNTS) + 2) + "|")
    for kind in KINDS:
        title = f"Round trip {kind}"
        project = studio.call("POST", "/api/projects", json={"title": title, "label_config": CONFIG})["id"]
        studio.upload(project, picture)
        connected(studio.url, LEGACY_TOKEN, "--project", title, "--backend", backend.url)
        print(measured(studio, project, picture, kind, repeat), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--template", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=5)
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
    main()
