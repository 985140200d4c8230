"""The queue of fine-tuning jobs in Redis: ask for a job, look at jobs, stop one."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any

from ritm_model.errors import RitmError, shown
from ritm_ops.jobs.protocol import (
    DEFAULT_PIPELINE,
    FUNCTION,
    JOBS_LISTED,
    LIVE,
    PAUSES,
    QUEUE,
    SECONDS_KEPT,
    EndedJobError,
    JobError,
    JobReport,
    JobView,
    UnknownJobError,
)

try:
    from redis import Redis
    from redis.backoff import ExponentialBackoff
    from redis.client import Pipeline
    from redis.exceptions import AuthenticationError, AuthorizationError, RedisError, WatchError
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import TimeoutError as RedisTimeoutError
    from redis.retry import Retry as RedisRetry
    from rq import Queue, Retry
    from rq.command import send_stop_job_command
    from rq.exceptions import InvalidJobOperation, NoSuchJobError
    from rq.job import Job, JobStatus
    from rq.serializers import JSONSerializer
except ImportError:
    raise RitmError(
        "Fine-tuning jobs need rq and redis, which are not installed; run `pip install 'ritm[finetune]'`."
    ) from None

_NEVER = -1  # expire: of keys that do, a Redis that is short of memory may take any
_WAITING = (JobStatus.QUEUED, JobStatus.SCHEDULED, JobStatus.DEFERRED, JobStatus.CREATED)
STATUSES = MappingProxyType(
    {
        JobStatus.STARTED: "running",
        JobStatus.FINISHED: "finished",
        JobStatus.FAILED: "failed",
        JobStatus.STOPPED: "stopped",
        JobStatus.CANCELED: "stopped",
    }
)
"""What people are told of RQ's statuses; all others are "queued"."""


class _Retry(RedisRetry):
    """Retries what may pass: a Redis that is away, but none that refuses a user or password."""

    def call_with_retry(
        self,
        do: Callable[[], Any],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        *args: Any,
        **options: Any,
    ) -> Any:
        def may_pass(error: Exception) -> bool:
            is_refusal = isinstance(error, (AuthenticationError, AuthorizationError))
            return not is_refusal and (is_retryable is None or is_retryable(error))

        return super().call_with_retry(do, fail, may_pass, *args, **options)


def connect(url: str, patience_seconds: float = 3, answer_seconds: float = 5) -> Redis:
    """A client of the Redis at `url`, which tries again for about so long where it cannot be reached.

    Args:
        url: such as redis://:password@host:6379/0, rediss:// or unix://.
        patience_seconds: how long to try again.
        answer_seconds: longest wait for a connection, and for an answer, at each attempt. (A worker of RQ
            that waits for jobs sets a longer one for itself.)

    Raises:
        JobError: that is no address of a Redis.
    """
    pause = 0.5
    backoff = ExponentialBackoff(cap=pause, base=pause / 4)
    retry: Any = _Retry(backoff, retries=max(1, int(patience_seconds / pause)))
    try:
        client: Redis = Redis.from_url(
            url,
            retry=retry,
            retry_on_error=[RedisConnectionError, RedisTimeoutError],
            socket_connect_timeout=min(3, answer_seconds),
            socket_timeout=answer_seconds,
        )
    except ValueError:
        raise JobError("RITM_REDIS_URL must look like redis://host:6379/0.") from None
    return client


def queue_name(pipeline: str | None) -> str:
    """What RQ calls the queue of a pipeline; jobs carry it as their `origin`."""
    return QUEUE if pipeline in (None, DEFAULT_PIPELINE) else f"{QUEUE}:{pipeline}"


class JobQueue:
    """All fine-tuning jobs of a pipeline in a Redis. Thread-safe.

    Pipelines know nothing of each other's jobs; that of those who name none is called DEFAULT_PIPELINE.

    Every method raises JobError where Redis cannot be used.
    """

    def __init__(self, redis: Redis, pauses: Sequence[int] = PAUSES, pipeline: str | None = None) -> None:
        self.redis = redis
        is_default = pipeline in (None, DEFAULT_PIPELINE)
        self._keys = "ritm:finetune" if is_default else f"ritm:finetune:pipeline:{pipeline}"
        self._ids, self._annotations = f"{self._keys}:jobs", f"{self._keys}:annotations"
        self.queue = Queue(queue_name(pipeline), connection=redis, serializer=JSONSerializer)
        self._retry = Retry(len(pauses), list(pauses)) if pauses else None

    def start(self, source: str, base: str = LIVE, *, request_id: str = "") -> tuple[str, bool]:
        """Ask for a job, unless one with the same data and base waits or runs already.

        Args:
            source: where the labels lie; an address.
            base: the version to go on from; LIVE for that which is live when the job starts.
            request_id: of the HTTP request that asks, to be found again in the job.

        Returns:
            The job's id, and whether it is a new one.
        """
        key = f"{self._keys}:same:{hashlib.sha256(f'{source} {base}'.encode()).hexdigest()[:32]}"
        now = datetime.now(timezone.utc)
        new = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"

        with _speaking(), self.redis.pipeline() as pipe:
            while True:
                with suppress(WatchError):  # somebody else was quicker; look again
                    pipe.watch(key)  # type: ignore[no-untyped-call]
                    known: Any = pipe.get(key)  # answers at once, since the key is watched
                    if known is not None and self._goes_on(known.decode()):
                        return known.decode(), False
                    pipe.multi()
                    pipe.set(key, new)
                    pipe.zadd(self._ids, {new: now.timestamp()})
                    self._enqueue(new, (source, base), request_id, pipe)
                    pipe.execute()
                    self._forget_old(now.timestamp())
                    return new, True

    def jobs(self) -> list[JobView]:
        """The newest first."""
        with _speaking():
            ids: Any = self.redis.zrevrange(self._ids, 0, -1)
            found = Job.fetch_many([each.decode() for each in ids], self.redis, serializer=JSONSerializer)
        return [_view(job) for job in found if job is not None]

    def job(self, job_id: str) -> JobView:
        """One of them. Raises UnknownJobError."""
        return _view(self._fetched(job_id))

    def stop(self, job_id: str) -> None:
        """Take a job out of the queue, or end it where it runs. Nothing it has begun is published.

        Raises:
            UnknownJobError, EndedJobError: there is nothing to stop.
        """
        job = self._fetched(job_id)
        with _speaking():
            status = job.get_status()
            if status == JobStatus.STARTED:
                send_stop_job_command(self.redis, job_id, serializer=JSONSerializer)
            elif status in _WAITING:
                job.cancel()
            else:
                raise EndedJobError(f"Job {job_id} has ended already.")

    def count_annotation(self) -> int:
        """Count one more new annotation; how many there have been."""
        with _speaking():
            count: Any = self.redis.incr(self._annotations)
        return int(count)

    def ping(self) -> None:
        """Ask whether Redis is there."""
        with _speaking():
            self.redis.ping()

    def _enqueue(self, job_id: str, args: tuple[str, str], request_id: str, pipe: Pipeline) -> None:
        self.queue.enqueue_call(
            FUNCTION,
            args=args,
            job_id=job_id,
            timeout=-1,  # a job takes as long as it takes; who finds it too long stops it
            result_ttl=_NEVER,
            failure_ttl=_NEVER,
            retry=self._retry,
            meta={"request_id": request_id} if request_id else None,
            pipeline=pipe,
        )

    def _forget_old(self, now: float) -> None:
        """Delete jobs that have ended long ago, or before many others."""
        old: Any = self.redis.zrangebyscore(self._ids, 0, now - SECONDS_KEPT)
        many: Any = self.redis.zrange(self._ids, 0, -JOBS_LISTED - 1)
        for job_id in {*old, *many}:
            try:
                job = Job.fetch(job_id.decode(), connection=self.redis, serializer=JSONSerializer)
            except NoSuchJobError:
                job = None
            if job is None or _view(job).has_ended:
                if job is not None:
                    job.delete()
                self.redis.zrem(self._ids, job_id)

    def _fetched(self, job_id: str) -> Job:
        try:
            with _speaking():
                job = Job.fetch(job_id, connection=self.redis, serializer=JSONSerializer)
        except NoSuchJobError:
            job = None
        if job is None or job.origin != self.queue.name:
            raise UnknownJobError(f"There is no job {shown(job_id, 60)}.")
        return job

    def _goes_on(self, job_id: str) -> bool:
        try:
            job = Job.fetch(job_id, connection=self.redis, serializer=JSONSerializer)
        except NoSuchJobError:
            return False
        return job.get_status(refresh=False) in (*_WAITING, JobStatus.STARTED)


@contextmanager
def _speaking() -> Iterator[None]:
    """Make sentences of what Redis says."""
    try:
        yield
    except InvalidJobOperation:
        raise EndedJobError("The job has ended already.") from None
    except (AuthenticationError, AuthorizationError):
        raise JobError("Redis refuses the user or password of RITM_REDIS_URL.") from None
    except (RedisConnectionError, RedisTimeoutError):
        raise JobError("Redis cannot be reached at RITM_REDIS_URL.") from None
    except RedisError as error:
        raise JobError(f"Redis refuses: {type(error).__name__}.") from None


def _view(job: Job) -> JobView:
    status = job.get_status(refresh=False)
    source, base = (*job.args, "", "")[:2]
    return JobView(
        id=job.id,
        status="queued" if status is None else STATUSES.get(status, "queued"),
        source=str(source),
        base=str(base),
        created_at=job.created_at.astimezone(timezone.utc),
        report=JobReport.of(job.meta),
    )
