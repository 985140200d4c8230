"""Does a refinement save clicks? Variants of a predictor on the same objects, paired object by object.

Each object is annotated by the simulated annotator from nothing and from a mask with mistakes, with every
variant in turn, before the next object begins: whatever else the machine does weighs on all variants alike,
and a run that is stopped has complete objects to compare. Times are processor seconds of one thread.

The objects come from a pack (`manifest.json`), one per photograph and from all collections alike. Photographs
that the starter model has learnt from are left out: of the licences that it learns from only the
held-out ones are taken, of all others any. The choice follows from names, so it is always the same.

    python bench/clicks/refinements.py --data PACK --model bundled --objects 100 --output results.jsonl
    python bench/clicks/refinements.py --output results.jsonl --csv results.csv      # the table once more
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import signal
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from time import process_time
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm
from variants import VARIANTS, Variant

from ritm_model.checkpoints import load_model, model_version, resolve_model
from ritm_model.clicks import Click
from ritm_model.datasets.readers.pack import IGNORED_VALUE, PackEntry, read_pack
from ritm_model.evaluation import EvaluationProtocol
from ritm_model.evaluation.annotate import annotate
from ritm_model.evaluation.compare import compare
from ritm_model.evaluation.noc import clicks_to_reach, stability
from ritm_model.inference import Predictor, TorchEngine
from ritm_model.inference.state import Image, Mask, State
from ritm_model.learning.held_out import is_held_out
from ritm_model.learning.recipes import load_recipe
from ritm_model.networks import InteractiveModel, build

TARGETS = {False: (0.80, 0.85, 0.90), True: (0.85, 0.90)}
IOU_AFTER = (1, 3, 5, 10)
MIN_SHARE = 0.005
"""Smaller objects, as a part of the photograph, are not asked for."""


NOISE = 4  # standard deviation of the noise on enlarged photographs, of 255 grey levels


@dataclass(frozen=True, eq=False)
class PackObject:
    """One object of one photograph, as the evaluation wants it."""

    folder: Path
    entry: PackEntry
    value: int
    category: str = ""
    enlarged: int = 1

    @property
    def name(self) -> str:
        return f"{self.entry.mask}#{self.value}"

    @property
    def mask(self) -> npt.NDArray[np.int8]:
        labels_HW = cv2.imread(str(self.folder / self.entry.mask), cv2.IMREAD_GRAYSCALE)
        assert labels_HW is not None, self.entry.mask
        truth_HW = np.where(labels_HW == IGNORED_VALUE, -1, labels_HW == self.value).astype(np.int8)
        return truth_HW.repeat(self.enlarged, axis=0).repeat(self.enlarged, axis=1)

    def load_image(self) -> Image:
        pixels = cv2.imread(str(self.folder / self.entry.image), cv2.IMREAD_COLOR_RGB)
        assert pixels is not None, self.entry.image
        if self.enlarged == 1:
            return pixels.astype(np.uint8)
        size = (pixels.shape[1] * self.enlarged, pixels.shape[0] * self.enlarged)
        noisy = cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC).astype(np.float32)
        noisy += np.random.default_rng(0).normal(0, NOISE, noisy.shape)
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def chosen_objects(folder: Path, count: int, recipe: str, enlarged: int = 1) -> list[PackObject]:
    """The objects, the collections taking turns, on photographs that are so many times as large."""
    data = load_recipe(recipe).data
    learnt_from = None if data.licence_classes is None else frozenset(data.licence_classes)
    collections: dict[str, dict[str, PackObject]] = {}
    entries = sorted(read_pack(folder), key=lambda entry: _digest(entry.mask))
    for entry in entries:
        may_be_learnt = learnt_from is None or entry.license_class in learnt_from
        if may_be_learnt and not is_held_out(Path(entry.image).name, data.validation_share):
            continue
        instances = sorted(entry.chosen(MIN_SHARE), key=lambda one: _digest(f"{entry.mask}#{one.id}"))
        if instances:
            one = PackObject(folder, entry, instances[0].id, entry.source, enlarged)
            collections.setdefault(entry.source, {}).setdefault(entry.image, one)
    queues = [list(collections[name].values()) for name in sorted(collections)]
    turns = [queue[turn] for turn in range(max(map(len, queues))) for queue in queues if turn < len(queue)]
    return turns[:count]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Timed:
    """A predictor that counts the processor time of its clicks."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.seconds = 0.0

    def start(self, image_HW3: Image, mask: Mask | None = None) -> State:
        return self._predictor.start(image_HW3, mask)

    def click(self, state: State, click: Click) -> State:
        before = process_time()
        after = self._predictor.click(state, click)
        self.seconds += process_time() - before
        return after


@cache
def _engine(path: str, radius: float | None) -> TorchEngine:
    model = load_model(Path(path))
    return TorchEngine(model if radius is None else _with_radius(model, radius))


def _with_radius(model: InteractiveModel, radius: float) -> InteractiveModel:
    other = build(model.family, {**model.params, "norm_radius": radius})
    other.load_state_dict(model.state_dict())
    return other


Task = tuple[str, Variant, bool]


def annotated(path: str, one: PackObject, tasks: Sequence[Task], clicks: int) -> list[dict[str, Any]]:
    """One object, once for each (name, variant, from a mask). Runs in a process of its own."""
    rows = []
    for name, variant, from_mask in tasks:
        protocol = EvaluationProtocol(options=variant.options, max_clicks=clicks, from_mask=from_mask)
        predictor = Timed(Predictor(_engine(path, variant.radius), variant.options))
        result = annotate(predictor, one, protocol)
        rows.append(
            {
                "object": one.name,
                "collection": one.category,
                "area": result.object_pixels / (result.height * result.width),
                "variant": name,
                "from_mask": from_mask,
                "settings": key_of(variant),
                "ious": result.ious,
                "initial_iou": result.initial_iou,
                "seconds": round(predictor.seconds, 5),
            }
        )
    return rows


def key_of(variant: Variant) -> str:
    settings = EvaluationProtocol(options=variant.options).settings()
    return _digest(json.dumps([settings, variant.radius], sort_keys=True))[:12]


def _one_thread() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def run(asked: argparse.Namespace, variants: dict[str, Variant]) -> None:
    path = resolve_model(asked.model)
    about = {"model": model_version(path), "clicks": asked.clicks, "enlarged": asked.enlarge}
    if asked.output.exists() and json.loads(asked.output.open().readline()) != about:
        raise SystemExit(f"{asked.output} holds another measurement; choose another file.")
    if not asked.output.exists():
        asked.output.write_text(json.dumps(about) + "\n")
    done = {(row["object"], row["from_mask"], row["settings"]) for row in read(asked.output)}
    work = []
    for one in chosen_objects(asked.data, asked.objects, asked.recipe, asked.enlarge):
        tasks: list[Task] = [
            (name, variant, from_mask)
            for name, variant in variants.items()
            for from_mask in variant.starts
            if (one.name, from_mask, key_of(variant)) not in done
        ]
        if tasks:
            work.append((one, tasks))
    pool = ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn"), initializer=_one_thread)
    try:
        with asked.output.open("a") as file:
            waiting = [pool.submit(annotated, str(path), one, tasks, asked.clicks) for one, tasks in work]
            for finished in tqdm(as_completed(waiting), total=len(waiting), unit="object", disable=None):
                file.writelines(json.dumps(row) + "\n" for row in finished.result())
                file.flush()
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on. So far:")
    finally:
        pool.shutdown(cancel_futures=True)


def read(path: Path) -> list[dict[str, Any]]:
    lines = path.read_bytes()
    return [json.loads(line) for line in lines[: lines.rfind(b"\n") + 1].splitlines()[1:]]


def table(
    rows: Sequence[dict[str, Any]], clicks: int, variants: dict[str, Variant]
) -> Iterator[dict[str, Any]]:
    """One line per variant and start, against the first. Only objects that all have annotated count."""
    baseline = next(iter(variants))
    known = {key_of(variant): name for name, variant in variants.items()}
    for from_mask in (False, True):
        curves: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in variants}
        for row in rows:
            if row["from_mask"] == from_mask and row["settings"] in known:
                curves[known[row["settings"]]][row["object"]] = row
        measured = {name: of for name, of in curves.items() if of}
        if baseline not in measured:
            continue
        shared = sorted(set.intersection(*(set(of) for of in measured.values())))
        for name, of in measured.items():
            yield _line(
                name, from_mask, [of[o] for o in shared], [measured[baseline][o] for o in shared], clicks
            )


def _line(
    name: str, from_mask: bool, rows: Sequence[dict[str, Any]], base: Sequence[dict[str, Any]], clicks: int
) -> dict[str, Any]:
    line: dict[str, Any] = {
        "variant": name,
        "start": "mask" if from_mask else "nothing",
        "objects": len(rows),
    }
    for target in TARGETS[from_mask]:
        mine, theirs = ([_clicks(row, target, clicks) for row in some] for some in (rows, base))
        percent = round(100 * target)
        line[f"NoC{percent}"] = statistics.mean(mine)
        found = compare(theirs, mine)
        line[f"d{percent}"] = found.difference
        line[f"d{percent} low"], line[f"d{percent} high"] = found.interval.low, found.interval.high
    line["fail90"] = sum(max(row["ious"]) < np.float32(0.9) for row in rows)
    for at in IOU_AFTER:
        line[f"IoU{at}"] = statistics.mean(row["ious"][min(at, len(row["ious"])) - 1] for row in rows)
    curves = [
        np.array([row["initial_iou"], *row["ious"]] if from_mask else row["ious"], np.float32) for row in rows
    ]
    worse = stability(curves)
    line["worse"], line["mean drop"] = worse.share, worse.mean_drop
    spent, spent_base = (
        sum(row["seconds"] for row in some) / sum(len(row["ious"]) for row in some) for some in (rows, base)
    )
    line["ms"], line["cost"] = 1000 * spent, spent / spent_base
    return line


def _clicks(row: dict[str, Any], target: float, clicks: int) -> int:
    return clicks_to_reach(np.array(row["ious"], np.float32), target, clicks)


def shown(lines: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The table as Markdown."""
    for start in ("nothing", "mask"):
        some = [line for line in lines if line["start"] == start]
        if not some:
            continue
        targets = [name[3:] for name in some[0] if name.startswith("NoC")]
        heads = [
            "variant",
            *(f"NoC{t}" for t in targets),
            *(f"change of NoC{t} (95 %)" for t in targets[-2:]),
        ]
        heads += ["failures", "IoU 1/3/5/10", "worse (drop)", "ms", "cost"]
        yield f"\nFrom {start}, {some[0]['objects']} objects\n"
        yield f"| {' | '.join(heads)} |"
        yield f"|---|{'---:|' * (len(heads) - 1)}"
        for line in some:
            cells = [line["variant"], *(f"{line[f'NoC{t}']:.2f}" for t in targets)]
            cells += [
                f"{line[f'd{t}']:+.2f} [{line[f'd{t} low']:+.2f}, {line[f'd{t} high']:+.2f}]"
                for t in targets[-2:]
            ]
            cells += [str(line["fail90"]), "/".join(f"{line[f'IoU{at}']:.3f}" for at in IOU_AFTER)]
            cells += [
                f"{line['worse']:.1%} ({line['mean drop']:.3f})",
                f"{line['ms']:.0f}",
                f"{line['cost']:.2f}",
            ]
            yield f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the pack; without it only the table is made")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--recipe", default="starter", help="that the model was trained with")
    parser.add_argument("--objects", type=int, default=100)
    parser.add_argument("--enlarge", type=int, default=1, help="photographs by this factor, with noise")
    parser.add_argument("--clicks", type=int, default=10, help="clicks on each, at most")
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    parser.add_argument(
        "--variants",
        default="400;400, answers as they are;400, mirror image;320;256;256, mirror image",
        help="separated by semicolons; the first one is what the others are compared with (%(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("refinements.jsonl"), help="results; goes on there"
    )
    parser.add_argument("--csv", type=Path, help="write the table there, too")
    asked = parser.parse_args()

    unknown = set(asked.variants.split(";")) - set(VARIANTS)
    if unknown:
        parser.error(f"There is no variant '{min(unknown)}'; known ones are {'; '.join(VARIANTS)}.")
    variants = {name: VARIANTS[name] for name in asked.variants.split(";")}
    if asked.data:
        run(asked, variants)
    about = json.loads(asked.output.open().readline())
    lines = list(table(read(asked.output), about["clicks"], variants))
    print(f"{about['model']}, {about['clicks']} clicks at most")
    for text in shown(lines):
        print(text)
    if asked.csv:
        with asked.csv.open("w", newline="") as file:
            names = dict.fromkeys(name for line in lines for name in line)
            writer = csv.DictWriter(file, list(names))
            writer.writeheader()
            writer.writerows(lines)


if __name__ == "__main__":
    main()
