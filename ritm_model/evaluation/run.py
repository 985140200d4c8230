"""Evaluate a model on a data set, on all cores, going on where it was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ritm_model.cpus import usable_cpus
from ritm_model.errors import RitmError
from ritm_model.evaluation.modes import OpensPredictor
from ritm_model.evaluation.protocol import EvaluationProtocol, ProtocolError
from ritm_model.evaluation.results import SampleResult
from ritm_model.evaluation.run_folder import SETTINGS, EvaluationFolder, RunFolderError, read_run
from ritm_model.evaluation.sample import DatasetLike
from ritm_model.evaluation.workers import Work, in_batches, in_processes, in_this_process

OnResult = Callable[[SampleResult, int], None]
"""Called with each result and with the number of samples in all."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model on a data set.

    Attributes:
        model: version of the model.
        dataset: name of the data set.
        protocol: the rules.
        samples: results in the order of the data set.
    """

    model: str
    dataset: str
    protocol: EvaluationProtocol
    samples: tuple[SampleResult, ...]


def evaluate(
    model: str,
    source: OpensPredictor,
    dataset: DatasetLike,
    protocol: EvaluationProtocol,
    *,
    jobs: int = 1,
    batch: int = 1,
    folder: str | Path | None = None,
    fresh: bool = False,
    pictures: str | Path | None = None,
    on_result: OnResult | None = None,
) -> Evaluation:
    """Annotate all samples.

    The results are the same for any number of processes. In batches they may differ where rounding moves a
    pixel over the threshold.

    Args:
        model: version of the model, to tell evaluations apart.
        source: opens the predictor, such as a `PredictorSource` of the same protocol.
        dataset: at least one sample.
        protocol: the rules.
        jobs: processes; 1 stays in this one.
        batch: for GPUs, in place of processes: so many samples at a time, whose clicks share runs of the
            network where their crops are of the same size, as all are with `fixed<N>`.
        folder: keep each result there, and take those that are there already.
        fresh: do not take those that are there.
        pictures: write a picture of each click into this folder, for the samples that are not there already.
        on_result: called after each sample, those from the folder first.

    Raises:
        RitmError: empty data set, a sample or model that cannot be used, a folder that holds something else.
    """
    if not len(dataset):
        raise RitmError(f"The data set {dataset.name} has no samples.")
    kept = EvaluationFolder(Path(folder), settings(model, dataset, protocol), fresh=fresh) if folder else None
    done: dict[int, SampleResult] = {}
    total = len(dataset)

    def take(result: SampleResult) -> None:
        done[result.index] = result
        if on_result is not None:
            on_result(result, total)

    for result in kept.done.values() if kept else ():
        take(result)
    missing = [index for index in range(total) if index not in done]
    work = Work(source, dataset, protocol, Path(pictures) if pictures else None)
    with closing(_results(work, missing, jobs, batch)) as results:
        for result in results:
            if kept:
                kept.append(result)
            take(result)
    return Evaluation(model, dataset.name, protocol, tuple(done[index] for index in range(total)))


def load_evaluation(folder: str | Path) -> Evaluation:
    """What a folder holds, finished or not.

    Raises:
        RunFolderError: there is no evaluation, or it is damaged.
    """
    folder = Path(folder)
    about, samples = read_run(folder)
    try:
        protocol = EvaluationProtocol.from_settings(about["protocol"])
        return Evaluation(str(about["model"]), str(about["dataset"]), protocol, samples)
    except (KeyError, TypeError, ValueError, ProtocolError):
        raise RunFolderError(f"{folder / SETTINGS} is damaged.") from None


def settings(model: str, dataset: DatasetLike, protocol: EvaluationProtocol) -> dict[str, Any]:
    """What tells one evaluation from another, as JSON."""
    return {
        "model": model,
        "dataset": dataset.name,
        "samples": len(dataset),
        "protocol": protocol.settings(),
    }


def available_jobs(device: str) -> int:
    """As many processes as this one may use cores; one for a GPU."""
    return usable_cpus() if torch.device(device).type == "cpu" else 1


def _results(work: Work, indices: list[int], jobs: int, batch: int) -> Generator[SampleResult, None, None]:
    if not indices:
        return
    if batch > 1:
        yield from in_batches(work, indices, batch)
    else:
        yield from in_this_process(work, indices) if jobs == 1 else in_processes(work, indices, jobs)
