"""The web application that Label Studio talks to.

    GET  /          the browser demo; its other routes stand in `ritm_backend/demo/routes.py`
    GET  /live      is the process alive: for whoever starts it anew if it is not
    GET  /ready     is the model loaded: for whoever sends it requests
    GET  /health    is it worth connecting to: for Label Studio; 503 if the model can never be loaded
    POST /setup     names the model version, and keeps the project's extra parameters; answers at once
    POST /predict   clicks in, masks out
    GET  /versions  the model versions there are (also POST)
    POST /webhook   events of the project; like all of fine-tuning, in `ritm_backend/jobs/routes.py`
    GET  /metrics   what was done and what is held, for Prometheus
    GET  /openapi.json  all of this for programs; `ritm_backend/openapi.yaml`

With basic authentication switched on, all need it but `/live`, `/ready` and `/health`, which tell nothing
without, and `/webhook`, because Label Studio sends its events without credentials and makes annotators wait
for the answer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import yaml
from flask import Flask, Response, g, request

from ritm_backend.accepted import CountedModel, Counting, NoteKeeper, Notes, RedisNotes, Shadow
from ritm_backend.admission.gate import Gate
from ritm_backend.auth import is_allowed
from ritm_backend.boundary import answer, refusal, surround
from ritm_backend.demo import demo_routes
from ritm_backend.jobs import Handover, JobCounts, Queues, model_routes, training_routes
from ritm_backend.jobs.events import is_trusted
from ritm_backend.label_studio.body import UnreadBody, cut_masks
from ritm_backend.label_studio.errors import RequestError
from ritm_backend.metrics import CONTENT_TYPE, Metrics
from ritm_backend.model_host import ModelHost
from ritm_backend.pictures import Pictures
from ritm_backend.pipelines import MakeHost, ModelHosts, NoPipelineError
from ritm_backend.service import LabelStudioService, first_task
from ritm_backend.settings import Settings
from ritm_backend.sharing.projects import OBJECTS_VARIABLE, shared_projects
from ritm_backend.sharing.rings import shared_rings
from ritm_ops.admission import Resources
from ritm_ops.admission.memory import usable_memory
from ritm_ops.pictures import PictureFetcher
from ritm_ops.redis_link import RedisLink

_MB = 1024 * 1024
_SMALL_BODY = 2 * _MB  # of memory, which nobody waits for
_DESCRIPTION = Path(__file__).with_name("openapi.yaml")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the server has to know of an application; see `parts_of`."""

    gate: Gate
    metrics: Metrics
    handover: Handover


def parts_of(app: Flask) -> Parts:
    parts: Parts = app.extensions["ritm"]
    return parts


def create_app(
    settings: Settings,
    host: ModelHost,
    fetcher: PictureFetcher,
    processes: int = 1,
    pipelines: Mapping[str, MakeHost] | None = None,
    models: Mapping[str | None, CountedModel] | None = None,
) -> Flask:
    """Make the application of one of so many processes.

    Args:
        settings: of the server.
        host: of the model that is served to projects without a pipeline; it may still be loading.
        fetcher: gets images.
        processes: how many share the machine.
        pipelines: makes the hosts of the models of pipelines.
        models: those whose accepted objects are counted; none where no server has made a folder for them.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.request_max_mb * _MB
    resources = Resources.of(
        settings.threads, settings.queue_seconds, usable_memory(settings.memory_mb) // processes
    )
    projects = shared_projects(settings)
    hosts = ModelHosts(host, pipelines or {}, settings.pipeline_models)
    pictures = Pictures(fetcher, settings, resources)
    counting = None
    if models and (notes := _notes(settings)) is not None:
        shadow = Shadow(hosts.peek, pictures, resources.admission)
        counting = Counting(models, notes, shadow, settings.registry_seconds)
    rings = shared_rings(settings)
    service = LabelStudioService(hosts, pictures, settings, resources, projects, counting, rings)
    queues = Queues(settings)
    metrics = Metrics(hosts, resources.admission, JobCounts(queues))
    gate = Gate(settings, lambda event: is_trusted(event, settings))
    handover = Handover()
    app.extensions["ritm"] = Parts(gate, metrics, handover)
    app.register_blueprint(demo_routes(host, settings, resources))
    app.register_blueprint(model_routes(settings, queues))
    app.register_blueprint(training_routes(settings, queues, projects, handover, counting))

    @app.get("/live")
    def live() -> Response:
        return answer({"status": "LIVE"})

    @app.get("/health")
    def health() -> Response:
        if host.is_hopeless:
            return refusal(503, "The model could not be loaded; the log says why.")
        return answer({"status": "UP", "model_class": "RITM"})

    @app.get("/ready")
    def ready() -> Response:
        if is_allowed(request, settings):
            return answer({"status": "READY", "model_version": host.annotator().version})
        return answer({"status": "READY"}) if host.is_ready else refusal(503, "The model is not ready.")

    @app.post("/setup")
    def setup() -> Response:
        try:
            body = _body().read()
        except (ValueError, RecursionError):
            body = None
        g.report.notes += projects.set_up(body)
        project = body.get("project") if isinstance(body, dict) else None
        try:
            wanted = hosts.of(projects.options(project).pipeline)  # begins to load before the first click
        except NoPipelineError as error:
            g.report.problems.append(str(error))
            wanted = host
        return answer({"model_version": wanted.version})

    @app.route("/versions", methods=["GET", "POST"])
    def versions() -> Response:
        names = [version for one in hosts.held for version in one.versions]
        return answer({"versions": list(dict.fromkeys(names))})

    @app.get("/metrics")
    def counted() -> Response:
        return Response(metrics.page(), content_type=CONTENT_TYPE)

    description = json.dumps(yaml.safe_load(_DESCRIPTION.read_text()))

    @app.get("/openapi.json")
    def described() -> Response:
        return Response(description, mimetype="application/json")

    @app.post("/predict")
    def predict() -> Response:
        unread = _body()
        with ExitStack() as stack:
            if unread.memory > _SMALL_BODY:
                stack.enter_context(resources.bodies.hold(unread.memory, g.report.deadline))
            body = _read(unread)
            limit.take(f"{g.report.client} {first_task(body)}")
            results = service.predict(body, g.report)
        with g.report.timings.stage("respond"):
            return answer({"results": results})

    limit = surround(app, settings, host, metrics, gate, resources)
    return app


def _notes(settings: Settings) -> NoteKeeper | None:
    """Where it is noted what was clicked; the same place in which projects are shared."""
    if settings.projects_folder is None and settings.session_store is not None:
        url = settings.session_store.get_secret_value()
        return RedisNotes(RedisLink(url, "objects that are accepted are not counted."))
    folder = os.environ.get(OBJECTS_VARIABLE)
    return Notes(Path(folder)) if folder else None


def _body() -> UnreadBody:
    with g.report.timings.stage("receive"):
        return cut_masks(request.get_data(cache=False))


def _read(body: UnreadBody) -> object:
    with g.report.timings.stage("parse"):
        try:
            return body.read()
        except (ValueError, RecursionError):
            raise RequestError("The body is not JSON.") from None
