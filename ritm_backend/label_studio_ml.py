"""The backend as a model class, for teams that run the label-studio-ml server.

    label-studio-ml init ritm --script model.py     with, in model.py:
    from ritm_backend.label_studio_ml import RITMBackend

The same class is written for both generations of that server, and tested with 1.0.9: that makes the object
at every setup, 2.x one for each request. So objects hold nothing; the model belongs to the process and loads
in the background, once, when the first object is made. Settings come from the environment as for
`ritm serve`.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from functools import cache
from threading import Lock
from typing import Any

from ritm_backend.server import make_host, pipeline_hosts
from ritm_backend.settings import Settings
from ritm_backend.sharing.rings import shared_rings
from ritm_model.cpus import limit_threads, usable_cpus

_THREADS_CHOSEN = "OMP_NUM_THREADS" in os.environ
limit_threads()  # before torch is loaded by the imports below

# Loaded with this module and not at the first setup, for which Label Studio waits three seconds only.
from ritm_backend.model_host import ModelHost  # noqa: E402
from ritm_backend.pictures import Pictures  # noqa: E402
from ritm_backend.pipelines import ModelHosts  # noqa: E402
from ritm_backend.service import LabelStudioService  # noqa: E402
from ritm_backend.sharing.projects import Projects, shared_projects  # noqa: E402
from ritm_ops.admission import Resources  # noqa: E402
from ritm_ops.admission.memory import usable_memory  # noqa: E402
from ritm_ops.pictures import PictureFetcher  # noqa: E402

try:
    from label_studio_ml.model import LabelStudioMLBase
except ImportError as error:
    raise ImportError(
        "ritm_backend.label_studio_ml needs the label-studio-ml server: install label-studio-ml 2.x from its "
        "repository, or label-studio-ml==1.0.9 with redis and rq. `ritm serve` needs none of them."
    ) from error

_logger = logging.getLogger(__name__)
_making = Lock()


def _limit_threads() -> None:
    """Of a torch that the server itself has loaded before (1.0.9 does), at least the number."""
    import torch

    if not _THREADS_CHOSEN:
        torch.set_num_threads(usable_cpus())


@cache
def _make_service() -> tuple[ModelHost, LabelStudioService, Projects]:
    _limit_threads()
    settings = Settings.from_environment()
    host = make_host(settings)
    host.start()
    resources = Resources.of(settings.threads, settings.queue_seconds, usable_memory(settings.memory_mb))
    projects = shared_projects(settings)
    service = LabelStudioService(
        ModelHosts(host, pipeline_hosts(settings), settings.pipeline_models),
        Pictures(PictureFetcher(settings.picture_access), settings, resources),
        settings,
        resources,
        projects,
        rings=shared_rings(settings),
    )
    return host, service, projects


def _service() -> tuple[ModelHost, LabelStudioService, Projects]:
    with _making:  # `cache` alone could make two when the first requests come together
        return _make_service()


class RITMBackend(LabelStudioMLBase):  # type: ignore[misc]  # the server has no types
    """Clicks in, regions out, as label-studio-ml wants them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        host = _service()[0]
        if hasattr(self, "set"):  # 2.x keeps the version in its cache
            self.set("model_version", host.version)

    def predict(
        self,
        tasks: Sequence[Mapping[str, Any]],
        context: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> list[Any]:
        """One prediction, or an empty list where there is nothing to predict, for each task.

        Raises RitmError when the model is not there.
        """
        _host, service, projects = _service()
        from ritm_backend.label_studio.answers import to_json
        from ritm_backend.report import Report

        report = Report()
        project = str(getattr(self, "project_id", ""))  # 2.x knows it, and what the project asks for
        projects.set_up({"project": project, "extra_params": getattr(self, "extra_params", None)})
        body = {
            "tasks": list(tasks),
            "project": project,
            "label_config": self.label_config or "",
            "params": {"context": context},
        }
        results: list[Any] = json.loads(to_json(service.predict(body, report)))
        for problem in report.problems:
            _logger.warning("Tasks %s: %s", report.tasks, problem)
        return results

    def fit(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Nothing is learned from annotations here."""
        return {}
