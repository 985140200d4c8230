"""What a machine with a GPU does with this code: are its answers right, and how quick are they?

    python bench/gpu.py --out results.json
    python bench/gpu.py --out results.json --device cpu --quick

Prints a table for each part and writes all of them as JSON, after each part anew. Ends with status 1 where
answers are wrong. Within `--minutes`: what does not fit in any more is left out and named.

    parity     logits of every network of the paper against those of the paper's code, in fp32, and of the
               bundled model against the CPU; beside it the error with TF32, as convolutions run by default;
               answers of a CUDA graph against those without one; those to clicks on a photograph that stays
               on the device against those with views made on the CPU
    noc        clicks of a simulated annotator on objects of the sample photographs, by engine
    latency    milliseconds from tensors on the CPU to logits there, by engine, size of the view and batch
    clicks     milliseconds of a click, by size of the photograph and by where its views are made
    annotators clicks per second of so many annotators who do not think, through one predictor; also of
               two processes that share the device
    training   samples per second and memory of a step, by switch (`bench/train_step.py`)
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from threading import Barrier
from time import perf_counter
from typing import Any

import numpy as np
import torch
from evaluate import Photos
from served import machine

from ritm_model.checkpoints import load_model, model_version, resolve_model
from ritm_model.evaluation import PredictorSource, evaluate, protocol_for
from ritm_model.evaluation.noc import clicks_to_reach
from ritm_model.inference import Predictor, TorchEngine, open_predictor
from ritm_model.inference.engines.batching import GatheringEngine
from ritm_model.inference.engines.compiled import CompiledEngine
from ritm_model.inference.engines.torch_engine import Engine
from ritm_model.inference.opening import chosen_device
from ritm_model.networks import InteractiveModel

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
sys.path.insert(0, str(GOLDEN))
sys.path.insert(0, str(Path(__file__).parent / "clicks"))
from resident_images import largest_error, photograph, timed, walk  # noqa: E402
from seeded_models import SEEDED_MODELS, seeded_model  # noqa: E402

HRNET18S = Path(__file__).parents[1] / "tests" / "models" / "h18s-synthetic.safetensors"
TOLERANCE = {"cpu": 1e-4, "cuda": 1e-3}  # of logits; sums are made in another order on each device
AT_ONCE = 8  # runs that a server shares on a GPU
SWITCHES = ("", "channels_last=false", "precision=bf16", "precision=fp16", "compile=inductor")

Row = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What is measured, and how much of it.

    Attributes:
        device: of the network.
        quick: only as much as shows that everything runs.
        golden: folder of the logits.
        models: names or files.
        until: when all has to be done, in seconds of `perf_counter`.
    """

    device: str
    quick: bool
    golden: Path
    models: tuple[str, ...]
    until: float

    @property
    def kind(self) -> str:
        return torch.device(self.device).type

    @property
    def engines(self) -> tuple[str, ...]:
        if self.quick:
            return ("torch",)
        return ("torch", "compile") if self.kind == "cuda" else ("torch", "openvino")


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Within the block, convolutions may or may not round their inputs to 10 bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def parity(asked: Asked) -> Iterator[Row]:
    """Largest error of the logits."""
    names = ("h18s_itm",) if asked.quick else tuple(SEEDED_MODELS)
    for name in names:
        engine = TorchEngine(seeded_model(name), asked.device, name)
        for case in ("a",) if asked.quick else ("a", "b"):
            with np.load(asked.golden / f"logits_input_{case}.npz") as inputs:
                image_14HW, points = torch.from_numpy(inputs["image4"]), torch.from_numpy(inputs["points"])
            with np.load(asked.golden / f"logits_{name}.npz") as arrays:
                expected = torch.from_numpy(arrays[f"{case}_instances"])
            image = image_14HW if engine.with_prev_mask else image_14HW[:, :3]
            yield _compared(f"{name} {case}", engine, image, points, expected, asked)
    network = load_model(resolve_model("bundled"))
    image, points = _question(3 + network.with_prev_mask, 1, 256)
    expected = TorchEngine(network, "cpu").run(image, points)
    yield _compared("bundled", TorchEngine(network, asked.device), image, points, expected, asked)
    yield _by_views(network, asked)
    if asked.kind == "cuda":
        yield _by_graph(network, asked)


def _compared(
    name: str,
    engine: TorchEngine,
    image: torch.Tensor,
    points: torch.Tensor,
    expected: torch.Tensor,
    asked: Asked,
) -> Row:
    errors = []
    for allowed in (False, True):
        with tf32(allowed):
            errors.append(float((engine.run(image, points).cpu() - expected).abs().max()))
    return _row(name, errors[0], errors[1], asked)


def _row(name: str, error: float, with_tf32: float, asked: Asked) -> Row:
    limit = TOLERANCE[asked.kind]
    return {"network": name, "error": error, "with_tf32": with_tf32, "limit": limit, "ok": error <= limit}


def _by_graph(network: InteractiveModel, asked: Asked) -> Row:
    """The second answer of a CUDA graph against that of the same program without a graph."""
    engine = CompiledEngine(network, asked.device)
    image, points = _question(3 + network.with_prev_mask, 1, 256)
    without = engine.run(image, points)
    engine.run(image.flip(3), points)
    error = float((engine.run(image, points) - without).abs().max())
    return _row("bundled by graph", error, error, asked)


def _by_views(network: InteractiveModel, asked: Asked) -> Row:
    """Probabilities after clicks where views are made on the device, against views made on the CPU."""
    errors = []
    for allowed in (False, True):
        with tf32(allowed):
            errors.append(largest_error(network, asked.device, 1 if asked.quick else 4))
    return _row("bundled by views on the device", errors[0], errors[1], asked)


def noc(asked: Asked) -> Iterator[Row]:
    """Mean clicks to an IoU of 0.9, and how far it is from torch on the CPU."""
    photos = Photos.first(2 if asked.quick else 54)
    protocol = protocol_for("serving", photos.name, max_clicks=2 if asked.quick else 10, target_iou=0.9)
    for model in asked.models:
        path = str(resolve_model(model))
        ways = [("torch", "cpu"), *((engine, asked.device) for engine in asked.engines)]
        first: float | None = None
        for engine, device in dict.fromkeys(ways):
            start = perf_counter()
            found = evaluate(engine, PredictorSource(path, device, protocol, engine), photos, protocol)
            clicks = mean(clicks_to_reach(each.curve, 0.9, protocol.max_clicks) for each in found.samples)
            first = clicks if first is None else first
            yield {
                "model": Path(path).stem,
                "engine": engine,
                "device": device,
                "noc90": round(clicks, 3),
                "to_cpu": round(clicks - first, 3),
                "seconds": round(perf_counter() - start, 1),
            }


def latency(asked: Asked) -> Iterator[Row]:
    """Median milliseconds of a run, the copies to and from the device included."""
    sides, batches = ((96,), (1, 2)) if asked.quick else ((256, 400, 600, 800), (1, 2, 4, 8, 16))
    for model in asked.models:
        for kind in asked.engines:
            engine = open_predictor(model, asked.device, engine=kind).engine
            for side in sides:
                for batch in batches if kind != "compile" else (1, AT_ONCE):
                    yield {"model": Path(model).stem, "engine": kind, **_timed(engine, side, batch, asked)}


def _timed(engine: Engine, side: int, batch: int, asked: Asked) -> Row:
    question = _question(3 + engine.with_prev_mask, batch, side)
    if asked.kind == "cuda":
        torch.cuda.reset_peak_memory_stats()
    start = perf_counter()
    engine.run(*question).cpu()
    first = perf_counter() - start
    took: list[float] = []
    while len(took) < 2 or (not asked.quick and sum(took) < 0.5 and len(took) < 50):
        start = perf_counter()
        engine.run(*question).cpu()
        took.append(perf_counter() - start)
    return {
        "view": f"{side}x{side}",
        "batch": batch,
        "first_ms": round(1000 * first, 1),
        "ms": round(1000 * median(took), 2),
        "views_per_s": round(batch / median(took), 1),
        "peak_mb": _peak_mb(asked),
    }


def clicks(asked: Asked) -> Iterator[Row]:
    """Milliseconds of a click on a photograph that stays on the device, and with views made on the CPU."""
    for model in asked.models:
        network = load_model(resolve_model(model))
        for times in (1,) if asked.quick else (1, 2, 6):
            for row in timed(network, asked.device, times, seconds=0 if asked.quick else 1):
                yield {"model": Path(model).stem, **row}


def annotators(asked: Asked) -> Iterator[Row]:
    """Clicks per second through one predictor whose runs are shared, as a server on a GPU has it."""
    counts, seconds = ((1, 2), 0.2) if asked.quick else ((1, 4, 16, 64, 256), 4.0)
    for model in asked.models:
        for count in counts:
            yield {"model": Path(model).stem, "processes": 1, **_crowd(model, count, seconds, asked)}
        if not asked.quick:
            yield {"model": Path(model).stem, "processes": 2, **_two_crowds(model, seconds, asked)}


def _crowd(model: str, count: int, seconds: float, asked: Asked) -> Row:
    opened = open_predictor(model, asked.device)
    predictor = opened.with_engine(GatheringEngine(opened.engine, AT_ONCE))
    image_HW3 = photograph()
    clicks = walk(image_HW3)
    everybody = Barrier(count)

    def annotate() -> list[float]:
        everybody.wait()
        took: list[float] = []
        until = perf_counter() + seconds
        while perf_counter() < until or not took:
            state = predictor.start(image_HW3)
            for click in clicks:
                start = perf_counter()
                state = predictor.click(state, click)
                took.append(perf_counter() - start)
                if perf_counter() > until:
                    break
        return took

    Predictor(opened.engine, opened.options).replay(predictor.start(image_HW3), clicks)  # warm
    start = perf_counter()
    with ThreadPoolExecutor(count) as pool:
        took = sorted(1000 * each for times in pool.map(lambda _: annotate(), range(count)) for each in times)
    return {
        "annotators": count,
        "clicks_per_s": round(len(took) / (perf_counter() - start), 1),
        "p50_ms": round(median(took), 1),
        "p95_ms": round(took[int(0.95 * (len(took) - 1))], 1),
        "peak_mb": _peak_mb(asked),
    }


def _two_crowds(model: str, seconds: float, asked: Asked) -> Row:
    """Both at the same time, each in a process of its own with 16 annotators; their figures added up."""
    command = [sys.executable, __file__, "--device", asked.device, "--crowd", model, str(seconds)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    rows = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
    return {
        "annotators": sum(row["annotators"] for row in rows),
        "clicks_per_s": round(sum(row["clicks_per_s"] for row in rows), 1),
        "p50_ms": round(mean(row["p50_ms"] for row in rows), 1),
        "p95_ms": max(row["p95_ms"] for row in rows),
        "peak_mb": sum(row["peak_mb"] or 0 for row in rows) or None,
    }


def training(asked: Asked) -> Iterator[Row]:
    """Steps of `bench/train_step.py`, each setting in a process of its own."""
    settings = ["mobile,2"] if asked.quick else ["mobile,32", "hrnet18s,28"]
    size, steps = ("64,64", 2) if asked.quick else ("320,480", 9)
    script = str(Path(__file__).with_name("train_step.py"))
    for setting in settings:
        for switch in SWITCHES[:1] if asked.quick else SWITCHES:
            words = ",".join(filter(None, (setting, f"device={asked.kind}", switch)))
            command = [sys.executable, script, "--one", words, "--size", size, "--steps", str(steps)]
            row = {"setting": setting, "switch": switch or "as recipes have it"}
            left = max(asked.until - perf_counter(), 1)
            try:
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=left)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
                yield {**row, "samples_per_s": None, "peak_mb": None, "loss": None}
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            yield {
                **row,
                "samples_per_s": round(found["samples_per_s"], 1),
                "peak_mb": found["peak_mb"],
                "loss": round(found["loss"], 4),
            }


def _question(channels: int, batch: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    image_BCHW = torch.rand(batch, channels, side, side, generator=torch.Generator().manual_seed(0))
    points_BP3 = torch.full((batch, 4, 3), -1.0)
    points_BP3[:, 0] = torch.tensor([side / 2, side / 3, 0.0])
    points_BP3[:, 2] = torch.tensor([side / 5, side / 5, 1.0])
    return image_BCHW, points_BP3


def _peak_mb(asked: Asked) -> int | None:
    return round(torch.cuda.max_memory_allocated() / 2**20) if asked.kind == "cuda" else None


PARTS: dict[str, Callable[[Asked], Iterator[Row]]] = {
    "parity": parity,
    "noc": noc,
    "latency": latency,
    "clicks": clicks,
    "annotators": annotators,
    "training": training,
}


def table(rows: list[Row]) -> str:
    """Rows as columns of the same width."""
    lines = [list(rows[0]), *([f"{value}" for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("results.json"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--models", nargs="+", default=["bundled", str(HRNET18S)])
    parser.add_argument("--golden", type=Path, default=GOLDEN, help="folder of the logits to compare with")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--crowd", nargs=2, help=argparse.SUPPRESS)
    words = parser.parse_args()
    models = words.models[:1] if words.quick else words.models
    until = perf_counter() + 60 * words.minutes
    asked = Asked(chosen_device(words.device), words.quick, words.golden, tuple(models), until)
    if words.crowd:
        print(json.dumps(_crowd(words.crowd[0], 16, float(words.crowd[1]), asked)))
        return

    card = torch.cuda.get_device_name() if asked.kind == "cuda" else "none"
    versions = {model: model_version(resolve_model(model)) for model in models}
    results: dict[str, Any] = {"machine": {**machine(), "card": card}, "models": versions, "left_out": []}
    for name in words.only:
        rows: list[Row] = []
        results[name] = rows
        for row in PARTS[name](asked):
            rows.append(row)
            if perf_counter() > until:
                results["left_out"].append(f"{name} after row {len(rows)}")
                break
        print(f"\n{name}\n{table(rows)}", flush=True)
        words.out.write_text(json.dumps(results, indent=1))
    wrong = [row["network"] for row in results.get("parity", []) if not row["ok"]]
    if results["left_out"]:
        print(f"\nNo time was left for: {', '.join(results['left_out'])}.")
    if wrong:
        sys.exit(f"\nAnswers are wrong: the logits of {', '.join(wrong)} differ by more than the limit.")


if __name__ == "__main__":
    main()
