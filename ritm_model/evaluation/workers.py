"""Many processes, one thread each: how to keep all cores busy with small networks.

Threads inside a network wait for each other at every layer; processes with an image each do not. One thread
each also fixes the order of summation, so the numbers do not depend on how many processes there are. A GPU is
kept busy in another way, by images of several samples in one run.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

import cv2
import torch

from ritm_model.errors import RitmError
from ritm_model.evaluation.annotate import annotate
from ritm_model.evaluation.modes import ClickPredictor, OpensPredictor
from ritm_model.evaluation.pictures import picture_writer
from ritm_model.evaluation.protocol import EvaluationProtocol
from ritm_model.evaluation.results import SampleResult
from ritm_model.evaluation.sample import DatasetLike
from ritm_model.inference import Predictor
from ritm_model.inference.brs import BRSPredictor
from ritm_model.inference.engines.batching import BatchingEngine

# Read by OpenMP when torch is loaded. Threads that wait by spinning take the core from another process.
QUIET = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}


class WorkerError(RitmError):
    """A process that has ended before its work was done."""


@dataclass(frozen=True, slots=True)
class Work:
    """What each process needs to annotate any sample of a data set.

    Attributes:
        source: of the predictor.
        dataset: of the samples.
        protocol: the rules.
        pictures: folder for a picture of each click, or None.
    """

    source: OpensPredictor
    dataset: DatasetLike
    protocol: EvaluationProtocol
    pictures: Path | None = None

    def annotate(self, predictor: ClickPredictor, index: int) -> SampleResult:
        sample = self.dataset[index]
        on_click = picture_writer(self.pictures, sample.name) if self.pictures else None
        return annotate(predictor, sample, self.protocol, index, on_click)


def in_this_process(work: Work, indices: Sequence[int]) -> Iterator[SampleResult]:
    """Annotate one sample after the other, with one thread, as each of several processes would."""
    with _one_thread():
        predictor = work.source()
        for index in indices:
            yield work.annotate(predictor, index)


def in_batches(work: Work, indices: Sequence[int], batch: int) -> Iterator[SampleResult]:
    """Annotate `batch` samples at a time, whose clicks share runs of the network; results come in any order.

    Raises:
        RitmError: the mode has runs of its own, or whatever is wrong with model or sample.
    """
    predictor = work.source()
    if not isinstance(predictor, Predictor) or isinstance(predictor, BRSPredictor):
        raise RitmError(f"The mode {work.protocol.mode} cannot be run in batches.")
    engine = BatchingEngine(predictor.engine)
    sharing = predictor.with_engine(engine)

    def annotated(index: int) -> SampleResult:
        with engine.member():
            return work.annotate(sharing, index)

    pool = ThreadPoolExecutor(batch)
    with _one_thread():
        try:
            for done in as_completed([pool.submit(annotated, index) for index in indices]):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def in_processes(work: Work, indices: Sequence[int], jobs: int) -> Iterator[SampleResult]:
    """Annotate in `jobs` processes, giving results as they come, in any order.

    Raises:
        WorkerError: a process has died, for instance of lack of memory.
        RitmError: whatever a process found wrong with model or sample.
    """
    waiting = iter(indices)
    workers: dict[Connection, SpawnProcess] = {}
    doing: dict[Connection, int] = {}
    try:
        with _environment(QUIET):
            for index in islice(waiting, jobs):
                connection, process = _started(work)
                workers[connection] = process
                doing[connection] = index
                connection.send(index)
        while doing:
            for connection in set(doing).intersection(wait(list(doing))):
                yield _received(connection, work.dataset, doing[connection])
                del doing[connection]
                for index in islice(waiting, 1):
                    doing[connection] = index
                    connection.send(index)
    finally:
        for connection, process in workers.items():
            connection.close()
            if connection in doing:
                process.terminate()
        for process in workers.values():
            process.join()


def _started(work: Work) -> tuple[Connection, SpawnProcess]:
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_serve, args=(work, theirs), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _received(connection: Connection, dataset: DatasetLike, index: int) -> SampleResult:
    try:
        answer = connection.recv()
    except (EOFError, ConnectionResetError):
        raise WorkerError(
            f"A process has died at sample {index} of {dataset.name}; with little memory, use fewer --jobs. "
            "What was finished is kept."
        ) from None
    if isinstance(answer, RitmError):
        raise answer
    assert isinstance(answer, SampleResult)
    return answer


def _serve(work: Work, connection: Connection) -> None:
    """The life of a worker: it ends when the other side has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        predictor = work.source()
        while True:
            connection.send(work.annotate(predictor, connection.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except RitmError as error:
        connection.send(RitmError(str(error)))


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
