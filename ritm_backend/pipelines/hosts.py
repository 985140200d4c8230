"""Which model answers a project: that of its pipeline, loaded when it is first wanted.

Only so many are held. Of more, the one used longest ago goes: its memory is free as soon as the last request
that it answers has ended, and whoever clicks on goes on with clicks replayed on the model loaded anew.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
from types import MappingProxyType

from ritm_backend.label_studio.errors import RequestError
from ritm_backend.logs import log
from ritm_backend.model_host import ModelHost
from ritm_model.errors import shown, suggestion

MakeHost = Callable[[], ModelHost]

_NONE: Mapping[str, MakeHost] = MappingProxyType({})
_logger = logging.getLogger(__name__)


class NoPipelineError(RequestError):
    """A project names a pipeline that this server does not serve."""


class ModelHosts:
    """The host of each project's model. Thread-safe.

    Args:
        usual: answers projects that name no pipeline.
        pipelines: by name, what makes the host of a pipeline; it is started here.
        most: hosts of pipelines that are held at the same time.
    """

    def __init__(self, usual: ModelHost, pipelines: Mapping[str, MakeHost] = _NONE, most: int = 2) -> None:
        self.usual = usual
        self._pipelines = pipelines
        self._most = most
        self._held: OrderedDict[str, ModelHost] = OrderedDict()
        self._lock = Lock()

    @property
    def held(self) -> tuple[ModelHost, ...]:
        """The usual one, then those of pipelines, the one used last at the end."""
        with self._lock:
            return (self.usual, *self._held.values())

    def peek(self, pipeline: str | None) -> ModelHost | None:
        """The host of a pipeline's model, if it is held; it is not loaded for that."""
        with self._lock:
            return self.usual if pipeline is None else self._held.get(pipeline)

    def of(self, pipeline: str | None) -> ModelHost:
        """The host for a project of this pipeline; it may still be loading.

        Raises:
            NoPipelineError: there is no such pipeline.
        """
        if pipeline is None:
            return self.usual
        if pipeline not in self._pipelines:
            raise NoPipelineError(self._unknown(pipeline))
        with self._lock:
            if pipeline not in self._held:
                host = self._held[pipeline] = self._pipelines[pipeline]()
                host.start()
                log(_logger, logging.INFO, "model of a pipeline wanted", {"pipeline": pipeline})
            self._held.move_to_end(pipeline)
            while len(self._held) > self._most:
                name, unused = self._held.popitem(last=False)
                unused.retire()
                log(_logger, logging.INFO, "model of a pipeline let go", {"pipeline": name})
            return self._held[pipeline]

    def _unknown(self, pipeline: str) -> str:
        if not self._pipelines:
            return (
                f"The project wants the pipeline '{shown(pipeline)}', and this server has none; start it "
                "with RITM_PIPELINES."
            )
        return (
            f"This server has no pipeline '{shown(pipeline)}'{suggestion(pipeline, self._pipelines)}; known "
            f"ones are {', '.join(self._pipelines)}. The project names it in its extra parameters."
        )
