"""`ritm worker`: takes jobs from Redis, one at a time, each in a process of its own.

The process of a job dies with its worker, so a job never runs on unseen. A job whose worker has died counts
as abandoned when no heartbeat has come for three of its intervals; any worker, on this machine or another,
then takes it up, and it goes on from what lies in its folder.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from redis import Redis
from rq import Queue, Worker
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.worker import DequeueStrategy

from ritm_model.cpus import limit_threads
from ritm_ops.alive import renew
from ritm_ops.jobs.protocol import JobError, JobReport
from ritm_ops.jobs.queue import JobQueue, connect, queue_name
from ritm_ops.object_store import StoreError, open_store
from ritm_ops.registry import Registry
from training.notify import tell_of_failure
from training.pipelines.serving import serving
from training.retention import ended_in, make_room, tidy_ended
from training.settings import TrainingSettings

NICE = 10  # annotators' clicks on the same machine come first
PATIENCE_SECONDS = 120  # for which Redis may be away without the worker giving up
HEARTBEATS_MISSED = 3

_PR_SET_PDEATHSIG = 1  # of Linux's prctl


class FinetuneWorker(Worker):
    """RQ's worker, with jobs that may take hours and are found soon when their worker dies.

    `served` has the settings for each pipeline, by the name of its queue. `alive_file` is renewed with each
    heartbeat, which comes while a job runs, too. `tidy` is called when a job has
    ended, or may have done so on a worker that died; `on_failure` when one has failed for good, in the
    process of the worker or in that of the job.
    """

    served: Mapping[str, TrainingSettings] = MappingProxyType({})
    alive_file: Path | None = None
    tidy: Callable[[], None] | None = None
    on_failure: Callable[[Job], None] | None = None

    @property
    def dequeue_timeout(self) -> int:
        """After so long without a job, an idle worker looks for abandoned ones."""
        return int(self.job_monitoring_interval)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002  (RQ's signature)
        return HEARTBEATS_MISSED * int(self.job_monitoring_interval)

    def heartbeat(self, *args: Any, **named: Any) -> None:
        renew(self.alive_file)  # first: while Redis is away, the worker is at work all the same
        super().heartbeat(*args, **named)

    def execute_job(self, job: Job, queue: Queue) -> None:
        super().execute_job(job, queue)
        self._tidy()

    def perform_job(self, job: Job, *args: Any, **named: Any) -> bool:
        """Do a job, in its process, for the pipeline of the queue that it came by."""
        with serving(self.served[job.origin]):
            return bool(super().perform_job(job, *args, **named))

    def handle_job_failure(self, job: Job, *args: Any, **named: Any) -> None:
        super().handle_job_failure(job, *args, **named)
        if self.on_failure is not None and job.get_status(refresh=False) == JobStatus.FAILED:
            self.on_failure(job)

    def clean_registries(self) -> None:
        super().clean_registries()  # type: ignore[no-untyped-call]
        self._tidy()

    def _tidy(self) -> None:
        if self.tidy is not None:
            with suppress(JobError):  # while Redis is away; the next time will do
                self.tidy()

    def handle_warm_shutdown_request(self) -> None:
        """Have the process of the job keep what it has done and give the job back."""
        if self.horse_pid:
            with suppress(ProcessLookupError):
                os.kill(self.horse_pid, signal.SIGTERM)

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        die_with_parent()
        super().main_work_horse(job, queue)


def work(pipelines: Mapping[str, TrainingSettings], *, burst: bool = False) -> None:
    """Take jobs until told to stop (SIGTERM: the job that runs goes back to the queue; twice: at once).

    Args:
        pipelines: to serve, in turns, with the settings for each; at least one.
        burst: end as soon as there are no jobs.

    Raises:
        RitmError: a setting is missing, there is no Redis, a registry lies where none can be, or the file for
            health checks cannot be written.
    """
    limit_threads()  # before the process of a job loads torch
    os.nice(NICE)
    settings = next(iter(pipelines.values()))  # what is the process's own is the same for all
    redis = reached_redis(settings)
    check_registries(pipelines)
    renew(settings.alive)
    jobs = [JobQueue(redis, pipeline=name) for name in pipelines]
    served = {queue_name(name): of_one for name, of_one in pipelines.items()}
    on_failure = partial(_tell_of_failure, served)
    worker = FinetuneWorker(
        [each.queue for each in jobs],
        connection=redis,
        serializer=JSONSerializer,
        maintenance_interval=settings.heartbeat_seconds,
        job_monitoring_interval=settings.heartbeat_seconds,
        work_horse_killed_handler=_tell_of_killed,
        exception_handlers=[partial(_tell_of_abandoned, on_failure)],
        log_job_description=False,
    )
    worker.served = served
    worker.on_failure = on_failure
    worker.alive_file = settings.alive
    if not settings.keep or settings.quota_mb is not None:
        worker.tidy = partial(_tidy_all, settings, jobs)
    worker.work(
        burst=burst,
        with_scheduler=True,
        logging_level="WARNING",
        dequeue_strategy=DequeueStrategy.ROUND_ROBIN,  # a pipeline with many jobs does not stop the others
    )


def reached_redis(settings: TrainingSettings) -> Redis:
    """A client for a process that outlives Redis being away, of a Redis that is there now.

    Raises:
        RitmError: no address is set, or it leads to no Redis, or to one that refuses the user or password.
    """
    JobQueue(connect(settings.redis)).ping()
    return connect(settings.redis, PATIENCE_SECONDS)


def check_registries(pipelines: Mapping[str, TrainingSettings]) -> None:
    """Refuse S3 servers that cannot hold a registry, before the first job. One that is away may come back.

    Raises:
        RitmError: such a server, or an address of none.
    """
    for uri in {settings.registry for settings in pipelines.values() if settings.registry}:
        store = open_store(uri, attempts=1)
        with suppress(StoreError):
            Registry(store).check_store()


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that has forked it ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _tell_of_killed(job: Job, _pid: int, status: int, _usage: Any) -> None:
    name = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"status {status}"
    job.get_meta(refresh=True)  # this copy is as old as the job's start, and RQ writes it when it tries again
    job.meta["message"] = f"The process of the job was ended by {name}; perhaps there was too little memory."
    job.save_meta()  # type: ignore[no-untyped-call]


def _tell_of_abandoned(
    on_failure: Callable[[Job], None], job: Job, kind: type[BaseException], _error: object, _trace: object
) -> bool:
    if kind.__name__ == "AbandonedJobError":
        is_last = not job.retries_left
        what_next = "it has failed too often" if is_last else "the next free one goes on with it"
        job.meta["message"] = f"The worker of the job has died; {what_next}."
        job.save_meta()  # type: ignore[no-untyped-call]
        if is_last:
            on_failure(job)
    return True


def _tell_of_failure(served: Mapping[str, TrainingSettings], job: Job) -> None:
    tell_of_failure(served[job.origin], job.id, JobReport.of(job.meta).message)


def _tidy_all(settings: TrainingSettings, pipelines: Sequence[JobQueue]) -> None:
    if not settings.keep:
        for jobs in pipelines:
            tidy_ended(settings.folder, jobs)
    if settings.quota_mb is not None:
        make_room(settings.folder, settings.quota_mb << 20, ended_in(pipelines))
