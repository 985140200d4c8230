"""The web application that Label Studio talks to.

    GET  /          the browser demo; its other routes stand in `ritm_backend/demo/routes.py`
    GET  /health    is the process alive; answers at once, also while the model loads; 503 if it never will
    GET  /ready     is the model loaded
    POST /setup     names the model version, and keeps the project's extra parameters; answers at once
    POST /predict   clicks in, masks out
    GET  /versions  the model versions there are (also POST)
    POST /webhook   events of the project; like all of fine-tuning, in `ritm_backend/jobs/routes.py`
    GET  /metrics   what was done and what is held, for Prometheus
    GET  /openapi.json  all of this for programs; `ritm_backend/openapi.yaml`

With basic authentication switched on, all need it but two: `/health`, which tells nothing, and `/webhook`,
because Label Studio sends its events without credentials and makes annotators wait for the answer.
"""

from __future__ import annotations

import json
from pathlib import Path
from threading import BoundedSemaphore

import yaml
from flask import Flask, Response, g, request

from ritm_backend.boundary import BusyError, answer, refusal, surround
from ritm_backend.demo import demo_routes
from ritm_backend.jobs import JobCounts, training_routes
from ritm_backend.label_studio.body import read_body
from ritm_backend.label_studio.errors import RequestError
from ritm_backend.metrics import CONTENT_TYPE, Metrics
from ritm_backend.model_host import ModelHost
from ritm_backend.projects import shared_projects
from ritm_backend.service import LabelStudioService
from ritm_backend.settings import Settings
from ritm_ops.pictures import PictureFetcher

_MB = 1024 * 1024
_DESCRIPTION = Path(__file__).with_name("openapi.yaml")


def create_app(settings: Settings, host: ModelHost, fetcher: PictureFetcher) -> Flask:
    """Make the application. `host` may still be loading its model."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.request_max_mb * _MB
    projects = shared_projects()
    service = LabelStudioService(host, fetcher, settings, projects)
    predicts = BoundedSemaphore(settings.threads)  # the server has more threads, for /health
    metrics = Metrics(host, JobCounts(settings))
    app.register_blueprint(demo_routes(host, settings, predicts))
    app.register_blueprint(training_routes(settings))

    @app.get("/health")
    def health() -> Response:
        if host.has_failed:
            return refusal(503, "The model could not be loaded; /ready says why.")
        return answer({"status": "UP", "model_class": "RITM"})

    @app.get("/ready")
    def ready() -> Response:
        return answer({"status": "READY", "model_version": host.annotator().version})

    @app.post("/setup")
    def setup() -> Response:
        g.report.notes += projects.set_up(request.get_json(silent=True))
        return answer({"model_version": host.version})

    @app.route("/versions", methods=["GET", "POST"])
    def versions() -> Response:
        return answer({"versions": host.versions})

    @app.get("/metrics")
    def counted() -> Response:
        return Response(metrics.page(), content_type=CONTENT_TYPE)

    description = json.dumps(yaml.safe_load(_DESCRIPTION.read_text()))

    @app.get("/openapi.json")
    def described() -> Response:
        return Response(description, mimetype="application/json")

    @app.post("/predict")
    def predict() -> Response:
        # Before the body is read: a slow upload must not take a thread meant for short requests.
        if not predicts.acquire(blocking=False):
            raise BusyError
        try:
            results = service.predict(_json_body(), g.report)
        finally:
            predicts.release()
        with g.report.timings.stage("respond"):
            return answer({"results": results})

    surround(app, settings, host, metrics)
    return app


def _json_body() -> object:
    timings = g.report.timings
    with timings.stage("receive"):
        body = request.get_data(cache=False)
    with timings.stage("parse"):
        try:
            return read_body(body)
        except (ValueError, RecursionError):
            raise RequestError("The body is not JSON.") from None
