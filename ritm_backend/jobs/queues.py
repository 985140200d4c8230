"""The queues of a server: its own, and one of each pipeline that it serves."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING

from ritm_backend.label_studio.errors import RequestError
from ritm_backend.settings import Settings
from ritm_model.errors import RitmError, shown, suggestion
from ritm_ops.pipelines import served_pipelines

if TYPE_CHECKING:
    from ritm_ops.jobs.queue import JobQueue

_PATIENCE_SECONDS = 0.5
_ANSWER_SECONDS = 1.0


class NotConfiguredError(RitmError):
    """This server knows no Redis, or not where labels lie."""


class UnknownPipelineError(RequestError):
    """This server serves no such pipeline."""


class Queues:
    """Opens queues when they are first needed. Thread-safe.

    None is the pipeline of projects that name none: that of `RITM_FINETUNE_PIPELINE`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._queues: dict[str | None, JobQueue] = {}
        served = served_pipelines(settings.pipelines, settings.registry) if settings.pipelines else {}
        sources: dict[str | None, str | None] = {name: each.source for name, each in served.items()}
        own = settings.finetune_source or sources.get(settings.finetune_pipeline)
        self._sources: Mapping[str | None, str | None] = {None: own, **sources}

    @property
    def pipelines(self) -> tuple[str | None, ...]:
        """All of them, the server's own first."""
        return tuple(self._sources)

    @property
    def is_there(self) -> bool:
        """Whether a Redis is set."""
        return self._settings.redis_url is not None

    def source(self, pipeline: str | None) -> str:
        """Where the labels of a pipeline lie.

        Raises:
            UnknownPipelineError: there is no such pipeline.
            NotConfiguredError: nobody has said it.
        """
        self._check(pipeline)
        source = self._sources[pipeline]
        if source is None:
            raise NotConfiguredError("RITM_FINETUNE_SOURCE is not set, so nobody knows where the labels lie.")
        return source

    def learns(self, pipeline: str | None) -> bool:
        """Whether jobs can be asked for."""
        return self.is_there and self._sources.get(pipeline) is not None

    def __call__(self, pipeline: str | None = None) -> JobQueue:
        """The queue of a pipeline.

        Raises:
            UnknownPipelineError: there is no such pipeline.
            NotConfiguredError: no Redis is set.
            RitmError: the packages for it are not installed.
        """
        self._check(pipeline)
        url = self._settings.redis_url
        if url is None:
            raise NotConfiguredError("This server has no fine-tuning jobs, since RITM_REDIS_URL is not set.")
        from ritm_ops.jobs.queue import JobQueue, connect  # needs packages that a server may lack

        with self._lock:
            if pipeline not in self._queues:
                first = next(iter(self._queues.values()), None)
                redis = (
                    first.redis
                    if first is not None
                    else connect(url.get_secret_value(), _PATIENCE_SECONDS, _ANSWER_SECONDS)
                )
                name = self._settings.finetune_pipeline if pipeline is None else pipeline
                self._queues[pipeline] = JobQueue(redis, pipeline=name)
            return self._queues[pipeline]

    def _check(self, pipeline: str | None) -> None:
        if pipeline not in self._sources:
            names = [name for name in self._sources if name is not None]
            known = f"; known ones are {', '.join(names)}" if names else ""
            raise UnknownPipelineError(
                f"This server has no pipeline '{shown(pipeline)}'{suggestion(str(pipeline), names)}{known}."
            )
