"""`ritm schedule`: asks for a job at the times of a cron expression, by RQ's own scheduler."""

from __future__ import annotations

from redis import Redis
from rq.cron import CronJob, CronScheduler
from rq.job import Job
from rq.serializers import JSONSerializer

from ritm_ops.environment import SettingsError
from ritm_ops.jobs.protocol import FUNCTION, QUEUE
from ritm_ops.jobs.queue import JobQueue
from training.settings import TrainingSettings
from training.worker import reached_redis


class AskForJob(CronJob):
    """Asks as everybody else does: while a job with the same data runs, there is no second one."""

    def __init__(self, cron: str, jobs: JobQueue, source: str) -> None:
        super().__init__(jobs.queue.name, func_name=FUNCTION, args=(source,), cron=cron)
        self._jobs = jobs
        self._source = source

    def enqueue(self, connection: Redis) -> Job:
        job_id, _ = self._jobs.start(self._source)
        return Job.fetch(job_id, connection=connection, serializer=JSONSerializer)


def keep_schedule(settings: TrainingSettings) -> None:
    """Ask for jobs until told to stop.

    Raises:
        RitmError: a setting is missing or wrong, or there is no Redis.
    """
    if settings.schedule is None:
        raise SettingsError("RITM_FINETUNE_SCHEDULE is not set; it says when, such as 0 2 * * *.")
    source = settings.source_uri
    try:
        CronJob(QUEUE, func_name=FUNCTION, cron=settings.schedule)
    except ValueError:  # of croniter, whatever is wrong with the fields
        raise SettingsError(
            "RITM_FINETUNE_SCHEDULE must have the five fields of cron, such as 0 2 * * *."
        ) from None
    redis = reached_redis(settings)
    asking = AskForJob(settings.schedule, JobQueue(redis, settings.pauses, settings.pipeline), source)
    scheduler = CronScheduler(connection=redis)
    scheduler.get_jobs().append(asking)
    scheduler.start()  # type: ignore[no-untyped-call]
