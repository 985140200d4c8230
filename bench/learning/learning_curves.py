"""What a processor minute of training buys: NoC of the models on the way, for recipes side by side.

`train` follows recipes at the same time, each with one thread, and notes in RUN/cost.jsonl how many processor
seconds every model that a recipe keeps (`keep_models`) had cost. It begins runs and does not go on with them:
what a process that is gone had cost, nobody knows. `measure` counts the clicks for all of these models on
the held-out photographs of the recipes, and prints a JSON line for each; `draw` makes a chart of
such lines.

    ritm dataset validation starter OBJECTS --data PACK
    python bench/learning/learning_curves.py train bench/learning/recipes/*.yaml --data PACK --out RUNS
    python bench/learning/learning_curves.py measure RUNS/* --objects OBJECTS > results.jsonl
    python bench/learning/learning_curves.py draw results.jsonl > curves.svg
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import sleep
from xml.etree.ElementTree import Element, SubElement

from ritm_model.evaluation.report.charts import (
    HEIGHT,
    WIDTH,
    Bars,
    bar_chart,
    chart_style,
    series_class,
    to_text,
)
from ritm_model.learning.recipes import load_recipe

TARGET, MAX_CLICKS = 0.85, 20
RITM = str(Path(sys.executable).with_name("ritm"))
CALM = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}


@dataclass(frozen=True)
class Measured:
    """A model on the way: what it cost, and how good it is."""

    run: str
    samples: int
    processor_minutes: float
    noc85: float
    low: float
    high: float
    never: int
    objects: int


def train(recipes: list[str], data: Path, out: Path) -> None:
    """Follow recipes side by side."""
    runs = [out / load_recipe(recipe).name for recipe in recipes]
    if there := [str(run) for run in runs if run.exists()]:
        sys.exit(f"Runs are measured from their beginning, but {', '.join(there)} is there already.")
    running: list[tuple[Path, subprocess.Popen[bytes]]] = []
    for recipe, run in zip(recipes, runs, strict=True):
        run.mkdir(parents=True)
        command = [RITM, "train", recipe, "--data", str(data), "--out", str(run)]
        environment = {**os.environ, **CALM, "OMP_NUM_THREADS": "1"}
        running.append((run, subprocess.Popen(command, env=environment)))
    try:
        while running:
            sleep(0.5)
            for one in list(running):
                run, process = one
                spent = processor_seconds(process.pid)  # before `poll` forgets one that has ended
                ended = process.poll() is not None
                note_costs(run, spent)
                if process.returncode:
                    sys.exit(f"{run.name} ended with {process.returncode}.")
                if ended:
                    running.remove(one)
    finally:
        for _, process in running:
            process.terminate()


def processor_seconds(pid: int) -> float:
    """What a process has used so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def note_costs(run: Path, seconds: float) -> None:
    known = {model for model, _ in costs(run)}
    with (run / "cost.jsonl").open("a") as file:
        for model in sorted((run / "models").glob("*.safetensors")):
            if model.name not in known:
                file.write(json.dumps({"model": model.name, "processor_s": round(seconds, 1)}) + "\n")


def costs(run: Path) -> list[tuple[str, float]]:
    """Of every model that is kept, what it had cost."""
    path = run / "cost.jsonl"
    lines = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    return [(line["model"], line["processor_s"]) for line in lines]


def measure(runs: list[Path], objects: Path, jobs: int) -> Iterator[Measured]:
    """Count clicks for every model of the runs, one after the other."""
    root = f"kept=COCO:{objects / 'annotations.json'}"
    for run in runs:
        recipe = load_recipe(str(run / "recipe.yaml"))
        for name, seconds in costs(run):
            command = [RITM, "evaluate", f"{run}/models/{name}", "--datasets", "kept", "--root", root]
            command += ["--eval-mode", "serving", "--target-iou", str(TARGET), "--n-clicks", str(MAX_CLICKS)]
            command += [
                "--engine",
                "openvino",
                "--jobs",
                str(jobs),
                "--output",
                f"{run}/evaluation",
                "--json",
            ]
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
            told = json.loads(answer)[0]["models"][0]
            (noc,) = [one for one in told["targets"] if abs(one["target"] - TARGET) < 1e-6]
            yield Measured(
                run=run.name,
                samples=int(Path(name).stem) * recipe.epoch_samples,
                processor_minutes=round(seconds / 60, 1),
                noc85=noc["noc"],
                low=round(noc["interval"]["low"], 2),
                high=round(noc["interval"]["high"], 2),
                never=noc["failures"],
                objects=told["samples"],
            )


def draw(lines: list[Measured]) -> str:
    """A bar for every model; the n-th ones of all runs are a group, with the minutes of the longest run."""
    runs: dict[str, list[Measured]] = {}
    for line in lines:
        runs.setdefault(line.run, []).append(line)
    longest = max(runs.values(), key=len)
    groups = [f"{line.processor_minutes:.0f} min" for line in longest]
    bars = [
        Bars(name, tuple(found[i].noc85 if i < len(found) else None for i in range(len(groups))))
        for name, found in runs.items()
    ]
    height = HEIGHT + 20 * len(bars) + 8
    size = {"viewBox": f"0 0 {WIDTH} {height}", "width": str(WIDTH), "height": str(height)}
    picture = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "class": "chart", **size})
    SubElement(picture, "style").text = chart_style()
    chart = bar_chart(f"NoC@{100 * TARGET:.0f} by processor minutes", groups, bars, f"NoC@{100 * TARGET:.0f}")
    chart.attrib |= {"width": str(WIDTH), "height": str(HEIGHT)}
    picture.append(chart)
    for number, one in enumerate(bars):
        y = HEIGHT + 20 * number + 10
        box = {"x": "46", "y": str(y - 10), "width": "14", "height": "14"}
        SubElement(picture, "rect", {"class": f"bar {series_class(number)}", **box})
        label = SubElement(picture, "text", {"x": "68", "y": str(y + 2), "class": "start"})
        label.text = one.label
    return to_text(picture)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_subparsers(dest="what", required=True)
    part = what.add_parser("train")
    part.add_argument("recipes", nargs="+")
    part.add_argument("--data", type=Path, required=True)
    part.add_argument("--out", type=Path, required=True)
    part = what.add_parser("measure")
    part.add_argument("runs", nargs="+", type=Path)
    part.add_argument("--objects", type=Path, required=True, help="from `ritm dataset validation`")
    part.add_argument("--jobs", type=int, default=1)
    part = what.add_parser("draw")
    part.add_argument("results", type=Path)
    asked = parser.parse_args()
    if asked.what == "train":
        train(asked.recipes, asked.data, asked.out)
    elif asked.what == "measure":
        for found in measure(asked.runs, asked.objects, asked.jobs):
            print(json.dumps(asdict(found)), flush=True)
    else:
        lines = asked.results.read_text().splitlines()
        print(draw([Measured(**json.loads(line)) for line in lines]))


if __name__ == "__main__":
    main()
