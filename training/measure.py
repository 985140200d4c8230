"""How good a model is on the held-out images, as annotators would meet it: by clicks from nothing, and from a
mask that has mistakes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ritm_model.datasets import Dataset, open_dataset
from ritm_model.evaluation import (
    Comparison,
    Evaluation,
    PredictorSource,
    SampleResult,
    Summary,
    available_jobs,
    compare_evaluations,
    evaluate,
    protocol_for,
    summarise,
)
from ritm_model.inference import Predictor
from ritm_model.inference.opening import open_engine, viewing_of
from training.split import HELD_OUT

TARGETS = (0.85, 0.90)
HELD_OUT_SET = f"own:{HELD_OUT}"
FROM_MASK = " from a mask"
OBJECTS_PER_PROCESS = 25  # fewer are done before another process has started

OnPart = Callable[[float], None]
"""Called with how much is done, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A model on the held-out objects: clicks from nothing, and from a mask with mistakes."""

    from_nothing: Evaluation
    from_mask: Evaluation

    def values(self) -> dict[str, float]:
        """What was measured, by name: means of clicks, and how often a click made the mask worse."""
        summary, corrected = summarise(self.from_nothing), summarise(self.from_mask)
        return {
            **_noc(summary, ""),
            **_noc(corrected, FROM_MASK),
            "clicks that lower the IoU": round(summary.stability.share, 4),
            "objects": len(self.from_nothing.samples),
        }


def held_out_objects(folder: Path, most: int) -> Dataset:
    """The held-out objects of a folder of the COCO-RLE layout; of more than `most`, always the same ones.

    Raises:
        DatasetError: there are none, or files are broken.
    """
    dataset = open_dataset(HELD_OUT_SET, {"own": f"coco_rle:{folder}"})

    def rank(place: tuple[int, str]) -> bytes:
        photograph, key = place
        return hashlib.sha256(f"{dataset.photographs[photograph].name}#{key}".encode()).digest()

    chosen = set(sorted(dataset.index, key=rank)[:most])
    return replace(dataset, index=tuple(place for place in dataset.index if place in chosen))


def measure(
    model: Path, version: str, dataset: Dataset, device: str, folder: Path, on_part: OnPart
) -> Measured:
    """Annotate the objects of a data set with a model; what the folder has already is not done again.

    Raises:
        RitmError: a sample or the model cannot be used, or the folder cannot be written.
    """
    total = 2 * len(dataset)
    done = 0
    jobs = max(1, min(available_jobs(device), len(dataset) // OBJECTS_PER_PROCESS))
    engine = open_engine(model, device) if jobs == 1 else None  # both parts share it
    viewing = engine.viewing if engine else viewing_of(model)

    def one_more(_result: SampleResult, _total: int) -> None:
        nonlocal done
        done += 1
        on_part(done / total)

    def measured(from_mask: bool, name: str) -> Evaluation:
        protocol = protocol_for(
            "serving", dataset.name, viewing=viewing, target_iou=max(TARGETS), from_mask=from_mask
        )
        shared = partial(Predictor, engine, protocol.options) if engine else None
        source = shared or PredictorSource(str(model), device, protocol)
        return evaluate(
            version, source, dataset, protocol, jobs=jobs, folder=folder / name, on_result=one_more
        )

    return Measured(measured(False, "from_nothing"), measured(True, "from_mask"))


def compare_measured(before: Measured, after: Measured) -> Mapping[str, Comparison]:
    """Clicks after less clicks before, object by object, by the name of the measure."""
    found = {
        "": compare_evaluations(before.from_nothing, after.from_nothing),
        FROM_MASK: compare_evaluations(before.from_mask, after.from_mask),
    }
    return {
        f"{_name(target)}{suffix}": comparison
        for suffix, comparisons in found.items()
        for target, comparison in comparisons.items()
        if _asked(target)
    }


def _noc(summary: Summary, suffix: str) -> dict[str, float]:
    return {
        f"{_name(target.target)}{suffix}": round(target.noc, 4)
        for target in summary.targets
        if _asked(target.target)
    }


def _asked(target: float) -> bool:
    return any(abs(target - asked) < 1e-6 for asked in TARGETS)


def _name(target: float) -> str:
    return f"NoC@{round(target * 100)}"
