"""Does it pay to label in an order? Fine-tunes on what each order brings first, at equal numbers of objects.

    OMP_NUM_THREADS=1 python bench/learning/next.py run PACK OUT --source clothing --variant parts
    python bench/learning/next.py table OUT

A third of the photographs is held out; the clicks are counted on objects of those. Every seed draws its own
pool from the rest, its own random order and its own samples. Photographs are labelled whole, in the order,
until there are so many objects. Each result is kept in OUT/results.jsonl as it comes, and a run goes on from
there.

The interval is by bootstrap over the seeds, and over the held-out photographs within them: objects of one
photograph are alike.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model import Collection, Predictor, Region, evaluate, train
from ritm_model.checkpoints import load_model, resolve_model
from ritm_model.datasets.files import read_image
from ritm_model.datasets.mask_files import read_labels
from ritm_model.datasets.readers.pack import IGNORED_VALUE, read_pack
from ritm_model.inference.opening import open_predictor
from ritm_model.selection.features import features_of
from ritm_model.selection.orders import by_value, covering, farthest_first
from ritm_model.selection.probing import probe

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from packs import PackPicture

ORDERS = ("random", "mirror", "covering", "shift", "farthest", "covering-mirror")
LEAST_SHARE = 0.005  # of the photograph; smaller objects are left out
PER_PHOTOGRAPH = 2  # held-out objects of one photograph
TARGET = 0.85
MAX_CLICKS = 6
CHANGES = (
    "data.crop=[160,160]",
    "data.validation_share=0",
    "batch_size=8",
    "epochs=1",
    "optimiser.learning_rate=0.0005",
    "optimiser.warmup=5",
    "optimiser.ema_decay=0.9",
    "precision=bf16",
)


@dataclass(frozen=True, slots=True)
class Labelled(PackPicture):
    """A photograph of a pack with some of its objects."""

    values: tuple[int, ...]
    false_colour: bool

    def load_image(self) -> npt.NDArray[np.uint8]:
        image_HW3 = read_image(self.image)
        if not self.false_colour:
            return image_HW3
        grey_HW = cv2.cvtColor(image_HW3, cv2.COLOR_RGB2GRAY)
        coloured: npt.NDArray[np.uint8] = cv2.applyColorMap(grey_HW, cv2.COLORMAP_JET).astype(np.uint8)
        return np.ascontiguousarray(coloured[..., ::-1])

    def regions(self, height: int, width: int) -> Iterator[Region]:
        del height, width
        labels_HW = read_labels(self.folder / self.entry.mask)
        ignored_HW = labels_HW == IGNORED_VALUE
        for value in self.values:
            yield Region(labels_HW, str(value), value=value, ignored_HW=ignored_HW)


def photographs_of(pack: Path, source: str, variant: str, false_colour: bool) -> list[Labelled]:
    """In an order that follows from names."""
    manifest = json.loads((pack / "manifest.json").read_text())["samples"]
    variants = {sample["mask"]: sample.get("variant") for sample in manifest}
    found = [
        Labelled(pack, entry, tuple(item.id for item in entry.chosen(LEAST_SHARE)), false_colour)
        for entry in read_pack(pack)
        if entry.source == source and variants[entry.mask] == variant
    ]
    return sorted((one for one in found if one.values), key=lambda one: digest(one.name))


def divide(photographs: Sequence[Labelled], objects: int) -> tuple[list[Labelled], list[Labelled]]:
    """Pool, and held-out photographs with few objects each."""
    third = len(photographs) // 3
    held_out: list[Labelled] = []
    for one in photographs[:third]:
        values = sorted(one.values, key=lambda value: digest(f"{one.name}#{value}"))[:PER_PHOTOGRAPH]
        if sum(len(other.values) for other in held_out) < objects:
            held_out.append(replace(one, values=tuple(sorted(values))))
    return list(photographs[third:]), held_out


def first_objects(order: Sequence[Labelled], count: int) -> list[Labelled]:
    """The first photographs with so many objects; of the last one, some."""
    taken: list[Labelled] = []
    for one in order:
        left = count - sum(len(other.values) for other in taken)
        if left <= 0:
            break
        taken.append(replace(one, values=one.values[:left]))
    return taken


def judged(pool: Sequence[Labelled], out: Path) -> dict[str, dict[str, Any]]:
    """What each measure says of the photographs, by name; kept in a file."""
    path = out / "measures.jsonl"
    lines = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    known = {line["name"]: line for line in lines}
    predictor = open_predictor("bundled", "cpu")
    network = load_model(resolve_model("bundled")).eval()
    for one in pool:
        if one.name in known:
            continue
        image_HW3 = one.load_image()
        began = time.process_time()
        seen = probe(predictor, image_HW3)
        line = {
            "name": one.name,
            "mirror": seen.mirror,
            "shift": seen.shift,
            "areas": seen.areas,
            "features": features_of(network, image_HW3).tolist(),
            "seconds": time.process_time() - began,
        }
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        known[one.name] = line
    return known


def ordered(
    name: str, pool: Sequence[Labelled], measures: dict[str, dict[str, Any]], seed: int
) -> list[Labelled]:
    """The pool in one of the orders."""
    if name == "random":
        return [pool[place] for place in np.random.default_rng(seed).permutation(len(pool))]
    rows = [measures[one.name] for one in pool]
    places: Sequence[int]
    if name in ("mirror", "shift"):
        places = by_value([row[name] for row in rows])
    else:
        features_NC = np.array([row["features"] for row in rows], np.float32)
        nothing = features_NC[:0]
        weights = np.array([row["mirror"] for row in rows]) if name == "covering-mirror" else None
        places = (
            farthest_first(features_NC, nothing)
            if name == "farthest"
            else covering(features_NC, nothing, weights)
        )
    return [pool[place] for place in places]


def learnt(
    chosen: Sequence[Labelled], held_out: Sequence[Labelled], folder: Path, seed: int, samples: int
) -> Path:
    """Fine-tune the bundled model."""
    shutil.rmtree(folder, ignore_errors=True)
    changes = [*CHANGES, f"seed={seed}", f"epoch_samples={samples}", "validation.objects=1"]
    places = {"own": Collection(chosen), "held": Collection(held_out[:1])}
    return train("finetune", places, folder, overrides=[*changes, "data.validation=[{data: held}]"])


def measured(model: Path | str, held_out: Sequence[Labelled]) -> dict[str, dict[str, float]]:
    """Clicks, and the IoU after some, of each held-out object."""
    opened = open_predictor(model, "cpu")
    predictor = Predictor(opened.engine, replace(opened.options, with_flip=False))  # half the time
    found = evaluate(predictor, Collection(held_out), max_clicks=MAX_CLICKS, target_iou=TARGET)
    objects: dict[str, dict[str, float]] = {}
    for sample in found.samples:
        reached = [number for number, iou in enumerate(sample.ious, 1) if iou >= TARGET]
        objects[sample.name] = {
            "clicks": reached[0] if reached else MAX_CLICKS,
            **{f"iou{count}": sample.ious[min(count, len(sample.ious)) - 1] for count in (1, 3)},
        }
    return objects


def run(asked: argparse.Namespace) -> None:
    photographs = photographs_of(asked.pack, asked.source, asked.variant, asked.false_colour)
    rest, held_out = divide(photographs, asked.objects)
    rest = rest[: asked.photographs]
    asked.out.mkdir(parents=True, exist_ok=True)
    results = asked.out / "results.jsonl"
    lines = map(json.loads, results.read_text().splitlines()) if results.exists() else ()
    done = {(line["order"], line["seed"], line["size"]) for line in lines}

    def keep(order: str, seed: int, size: int, began: float, found: dict[str, dict[str, float]]) -> None:
        mean = np.mean([one["clicks"] for one in found.values()])
        seconds = time.process_time() - began
        line = {"order": order, "seed": seed, "size": size, "seconds": round(seconds), "objects": found}
        with results.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{order} seed {seed} size {size}: {mean:.2f} clicks, {seconds:.0f} s", flush=True)

    if ("none", 0, 0) not in done:
        keep("none", 0, 0, time.process_time(), measured("bundled", held_out))
    measures = judged(rest, asked.out) if set(asked.orders) - {"random"} else {}
    for seed in range(asked.seeds):
        drawn = np.random.default_rng(1000 + seed).permutation(len(rest))[: round(asked.share * len(rest))]
        pool = [rest[place] for place in sorted(drawn)]
        for size in asked.sizes:
            for order in asked.orders:
                if (order, seed, size) in done:
                    continue
                began = time.process_time()
                chosen = first_objects(ordered(order, pool, measures, seed), size)
                model = learnt(chosen, held_out, asked.out / "run", seed, asked.samples)
                keep(order, seed, size, began, measured(model, held_out))


def photograph_of(name: str) -> str:
    """Of an object, as evaluation calls it."""
    return name.rpartition("#")[0] or name


def interval(differences: Sequence[dict[str, float]]) -> tuple[float, float, float]:
    """Mean difference with its 95 % interval; one dictionary of objects per seed."""
    random = np.random.default_rng(0)
    groups = []
    for of_seed in differences:
        by_photograph: dict[str, list[float]] = defaultdict(list)
        for name, value in of_seed.items():
            by_photograph[photograph_of(name)].append(value)
        groups.append(list(by_photograph.values()))
    means = []
    for _ in range(2000):
        values: list[float] = []
        for seed in random.integers(len(groups), size=len(groups)):
            for place in random.integers(len(groups[seed]), size=len(groups[seed])):
                values += groups[seed][place]
        means.append(np.mean(values))
    every = [value for of_seed in differences for value in of_seed.values()]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(np.mean(every)), float(low), float(high)


def table(out: Path) -> None:
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    found = {(line["order"], line["seed"], line["size"]): line["objects"] for line in lines}
    base = found["none", 0, 0]
    print(
        f"{len(base)} held-out objects; before: NoC@85 {mean_of([base], 'clicks'):.2f}, "
        f"IoU after 1 and 3 clicks {mean_of([base], 'iou1'):.3f}, {mean_of([base], 'iou3'):.3f}\n"
    )
    print("| objects | order | seeds | NoC@85 | less random (95 %) | IoU after 3 clicks | less random |")
    print("|---|---|---|---|---|---|---|")
    for size in sorted({size for _, _, size in found} - {0}):
        for order in ORDERS:
            seeds = sorted(
                seed
                for name, seed, of_size in found
                if name == order and of_size == size and ("random", seed, size) in found
            )
            if not seeds:
                continue
            own = [found[order, seed, size] for seed in seeds]
            cells = [str(size), order, str(len(seeds))]
            for measure, digits in (("clicks", 2), ("iou3", 3)):
                cells.append(f"{mean_of(own, measure):.{digits}f}")
                if order == "random":
                    cells.append("")
                    continue
                less = [
                    {
                        name: value[measure] - found["random", seed, size][name][measure]
                        for name, value in one.items()
                    }
                    for seed, one in zip(seeds, own, strict=True)
                ]
                middle, low, high = interval(less)
                cells.append(f"{middle:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})")
            print(f"| {' | '.join(cells)} |")


def mean_of(runs: Sequence[dict[str, dict[str, float]]], measure: str) -> float:
    return float(np.mean([value[measure] for run in runs for value in run.values()]))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_subparsers(dest="what", required=True)
    part = what.add_parser("run")
    part.add_argument("pack", type=Path)
    part.add_argument("out", type=Path)
    part.add_argument("--source", default="clothing")
    part.add_argument("--variant", default="parts")
    part.add_argument("--false-colour", action="store_true")
    part.add_argument("--objects", type=int, default=60, help="held-out ones, at most")
    part.add_argument("--photographs", type=int, default=70, help="that pools are drawn from, at most")
    part.add_argument("--share", type=float, default=0.7, help="of the rest that is the pool of a seed")
    part.add_argument("--samples", type=int, default=160, help="that a run learns from")
    part.add_argument("--sizes", type=int, nargs="+", default=[50, 100])
    part.add_argument("--seeds", type=int, default=3)
    part.add_argument("--orders", nargs="+", choices=ORDERS, default=list(ORDERS))
    part = what.add_parser("table")
    part.add_argument("out", type=Path)
    asked = parser.parse_args()
    if asked.what == "run":
        os.nice(10)
        run(asked)
    else:
        table(asked.out)


if __name__ == "__main__":
    main()
