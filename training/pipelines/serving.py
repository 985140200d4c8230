"""Which pipeline the process of a job works for; never another one than that of the job's queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ritm_model.errors import shown
from ritm_ops.jobs.protocol import DEFAULT_PIPELINE
from ritm_ops.jobs.queue import queue_name
from ritm_ops.pipelines import PipelineError
from training.pipelines.file import only_one
from training.settings import TrainingSettings

_served: ContextVar[TrainingSettings] = ContextVar("served")


@contextmanager
def serving(settings: TrainingSettings) -> Iterator[None]:
    """Jobs that are done in the block are of this pipeline."""
    token = _served.set(settings)
    try:
        yield
    finally:
        _served.reset(token)


def served(queue: str) -> TrainingSettings:
    """The settings for a job of this queue.

    Raises:
        RitmError: this process is not meant to do it, as one of RQ's own workers that nobody has told of
            the pipeline.
    """
    settings = _served.get(None) or only_one(TrainingSettings.from_environment())
    if queue_name(settings.pipeline) != queue:
        raise PipelineError(
            f"This worker is of the pipeline {settings.pipeline or DEFAULT_PIPELINE} and does no jobs of "
            f"the queue {shown(queue)}."
        )
    return settings


def check_source(settings: TrainingSettings, source: str) -> None:
    """Refuse labels that are not those of the pipeline, where it names its own.

    Whoever asks for a job may have been set up for another team.

    Raises:
        PipelineError: the pipeline learns from others.
    """
    own = settings.source
    if own is not None and own.rstrip("/") != source.rstrip("/"):
        raise PipelineError(
            f"The pipeline {settings.pipeline or DEFAULT_PIPELINE} learns from {own} and not from "
            f"{shown(source, 300)}."
        )
