"""What people are told of the ends of jobs: one sentence, with what they can do next."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ritm_ops.jobs.protocol import Outcome
from training.notify.webhook import send
from training.settings import TrainingSettings

LONGEST = 1500
"""Characters of a reason; services cut longer messages, or refuse them."""

NEXT_STEPS: Mapping[Outcome, str] = MappingProxyType(
    {
        "published": "`ritm models rollback {model}` goes back",
        "candidate": "`ritm models candidates {model}` shows what was measured",
        "not better": "the next job takes new labels along, so label more",
    }
)
"""What people can do next, for each outcome that they are told of."""


def tell_of_end(settings: TrainingSettings, job_id: str, outcome: Outcome, message: str) -> None:
    """Tell how a job has finished, if that is something people should know.

    Args:
        settings: of the worker.
        job_id: of the job.
        outcome: how it has finished.
        message: the job's last sentence.
    """
    if (step := NEXT_STEPS.get(outcome)) is not None:
        _tell(settings, job_id, "", message, step.format(model=settings.model))


def tell_of_failure(settings: TrainingSettings, job_id: str, message: str) -> None:
    """Tell that a job has failed for good.

    Args:
        settings: of the worker.
        job_id: of the job.
        message: the reason, a sentence.
    """
    which = f"--pipeline {settings.pipeline} " if settings.pipeline else ""
    step = f"`ritm finetune {which}logs {job_id}` shows how it went"
    _tell(settings, job_id, "failed: ", message or "The worker's log says why.", step)


def _tell(settings: TrainingSettings, job_id: str, how: str, message: str, step: str) -> None:
    if settings.notify_url is None:
        return
    pipeline = f" of {settings.pipeline}" if settings.pipeline else ""
    subject = f"Fine-tuning job {job_id}{pipeline}"
    sentence = f"{how}{message}".rstrip(".").replace(". ", "; ")[:LONGEST]
    separator = " " if how else ": "
    send(settings.notify_url.get_secret_value(), f"{subject}{separator}{sentence}; {step}.")
