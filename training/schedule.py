"""`ritm schedule`: asks for a job at the times of a cron expression, by RQ's own scheduler."""

from __future__ import annotations

from redis import Redis
from rq.cron import CronJob, CronScheduler
from rq.job import Job
from rq.serializers import JSONSerializer

from ritm_ops.alive import renew
from ritm_ops.environment import SettingsError
from ritm_ops.jobs.protocol import FUNCTION, QUEUE
from ritm_ops.jobs.queue import JobQueue
from training.next.asking import AskForOrder
from training.next.project import project_number
from training.pipelines.file import chosen
from training.settings import TrainingSettings
from training.worker import reached_redis

VARIABLE = "RITM_FINETUNE_SCHEDULE"


class AskForJob(CronJob):
    """Asks as everybody else does: while a job with the same data runs, there is no second one."""

    def __init__(self, cron: str, jobs: JobQueue, source: str) -> None:
        super().__init__(jobs.queue.name, func_name=FUNCTION, args=(source,), cron=cron)
        self._jobs = jobs
        self._source = source

    def enqueue(self, connection: Redis) -> Job:
        job_id, _ = self._jobs.start(self._source)
        return Job.fetch(job_id, connection=connection, serializer=JSONSerializer)


class Scheduler(CronScheduler):
    """RQ's clock, with a heartbeat every so many seconds at least, each of which renews a file."""

    def __init__(self, redis: Redis, jobs: list[CronJob], settings: TrainingSettings) -> None:
        super().__init__(connection=redis)
        self.get_jobs().extend(jobs)
        self._settings = settings

    def heartbeat(self) -> None:
        renew(self._settings.alive)
        super().heartbeat()

    def calculate_sleep_interval(self) -> float:
        return min(float(super().calculate_sleep_interval()), self._settings.heartbeat_seconds)


def keep_schedule(settings: TrainingSettings) -> None:
    """Ask for the jobs of all pipelines that have a schedule, until told to stop.

    Raises:
        RitmError: a setting is missing or wrong, there is no Redis, or the file for health checks cannot be
            written.
    """
    pipelines = chosen(settings).values()
    scheduled = [of_one for of_one in pipelines if of_one.schedule is not None]
    ordered = [of_one for of_one in pipelines if of_one.next_schedule is not None]
    if not scheduled and not ordered:
        if settings.pipelines is None:
            raise SettingsError(f"{VARIABLE} is not set; it says when, such as 0 2 * * *.")
        raise SettingsError(f"{settings.pipelines} gives no pipeline a schedule, such as 0 2 * * *.")
    for of_one in pipelines:
        check_cron(of_one)
    sources = [of_one.source_uri for of_one in scheduled]
    projects = [project_number(of_one) for of_one in ordered]
    redis = reached_redis(settings)
    asking: list[CronJob] = [
        AskForJob(str(of_one.schedule), JobQueue(redis, of_one.pauses, of_one.pipeline), source)
        for of_one, source in zip(scheduled, sources, strict=True)
    ]
    asking += [
        AskForOrder(str(of_one.next_schedule), JobQueue(redis, of_one.pauses, of_one.pipeline), project)
        for of_one, project in zip(ordered, projects, strict=True)
    ]
    Scheduler(redis, asking, settings).start()  # type: ignore[no-untyped-call]


def check_cron(settings: TrainingSettings) -> None:
    """Refuse schedules that are none. Raises SettingsError."""
    for key, fields in (("schedule", settings.schedule), ("next_schedule", settings.next_schedule)):
        if fields is None:
            continue
        try:
            CronJob(QUEUE, func_name=FUNCTION, cron=fields)
        except ValueError:  # of croniter, whatever is wrong with the fields
            variable = f"RITM_FINETUNE_{key.upper()}"
            where = f"{settings.pipelines}: {settings.pipeline}: '{key}'" if settings.pipelines else variable
            raise SettingsError(f"{where} must have the five fields of cron, such as 0 2 * * *.") from None
