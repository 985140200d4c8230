"""How the places of tasks are asked for by the clock; needs no network."""

from __future__ import annotations

from redis import Redis
from rq.cron import CronJob
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from ritm_ops.jobs.protocol import SECONDS_KEPT
from ritm_ops.jobs.queue import JobQueue

FUNCTION = "training.next.job.run"
_GOES_ON = (JobStatus.QUEUED, JobStatus.SCHEDULED, JobStatus.DEFERRED, JobStatus.STARTED)


class AskForOrder(CronJob):
    """Asks for the order of a project's tasks, unless it is asked for or being made already."""

    def __init__(self, cron: str, jobs: JobQueue, project: int) -> None:
        super().__init__(jobs.queue.name, func_name=FUNCTION, args=(project,), cron=cron)
        self._jobs = jobs
        self._project = project

    def enqueue(self, connection: Redis) -> Job:
        return ask(self._jobs, self._project, connection)


def ask(jobs: JobQueue, project: int, redis: Redis) -> Job:
    """Put the job into the queue of a pipeline, once. `ritm finetune list` does not show it."""
    queue = jobs.queue
    job_id = f"{queue.name.replace(':', '-')}-next-{project}"
    try:
        known = Job.fetch(job_id, connection=redis, serializer=JSONSerializer)
        if known.get_status(refresh=False) in _GOES_ON:
            return known
    except NoSuchJobError:
        pass
    return queue.enqueue_call(
        FUNCTION,
        args=(project,),
        job_id=job_id,
        timeout=-1,
        result_ttl=SECONDS_KEPT,
        failure_ttl=SECONDS_KEPT,
    )
