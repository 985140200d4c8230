"""The web application that Label Studio talks to.

    GET  /          the browser demo; its other routes stand in `ritm_backend/demo/routes.py`
    GET  /health    is the process alive; answers at once, also while the model loads; 503 if it never will
    GET  /ready     is the model loaded
    POST /setup     names the model version; answers at once, keeps nothing of what it is told
    POST /predict   clicks in, masks out
    GET  /versions  the model versions there are (also POST)
    POST /webhook   events of the project; answers at once and does nothing

With basic authentication switched on, all need it but two: `/health`, which tells nothing, and `/webhook`,
because Label Studio sends its events without credentials and makes annotators wait for the answer.
"""

from __future__ import annotations

import json
import logging
from threading import BoundedSemaphore
from time import perf_counter
from uuid import uuid4

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from ritm_backend.auth import is_allowed
from ritm_backend.demo import demo_routes
from ritm_backend.images import ImageFetcher
from ritm_backend.label_studio.answers import to_json
from ritm_backend.label_studio.body import read_body
from ritm_backend.label_studio.errors import RequestError
from ritm_backend.logs import log, whereabouts
from ritm_backend.model_host import ModelHost, ModelUnavailableError
from ritm_backend.service import LabelStudioService, Report
from ritm_backend.settings import Settings
from ritm_model.errors import RitmError

_OPEN_PATHS = ("/health", "/webhook")
_LARGEST_EVENT_READ = 256 * 1024
_LOGGED_NOTES = 20
_MB = 1024 * 1024

_logger = logging.getLogger(__name__)


class BusyError(Exception):
    """More predict requests at once than the process takes."""


def create_app(settings: Settings, host: ModelHost, fetcher: ImageFetcher) -> Flask:
    """Make the application. `host` may still be loading its model."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.request_max_mb * _MB
    service = LabelStudioService(host, fetcher, settings)
    predicts = BoundedSemaphore(settings.threads)  # the server has more threads, for /health
    app.register_blueprint(demo_routes(host, settings, predicts))

    @app.get("/health")
    def health() -> Response:
        if host.has_failed:
            return _error(503, "The model could not be loaded; /ready says why.")
        return _answer({"status": "UP", "model_class": "RITM"})

    @app.get("/ready")
    def ready() -> Response:
        return _answer({"status": "READY", "model_version": host.annotator().version})

    @app.post("/setup")
    def setup() -> Response:
        return _answer({"model_version": host.version})

    @app.route("/versions", methods=["GET", "POST"])
    def versions() -> Response:
        return _answer({"versions": [host.version]})

    @app.post("/webhook")
    def webhook() -> Response:
        if _event_action() == "START_TRAINING":
            return _answer({"status": "ok", "message": "This server does not train from Label Studio."})
        return _answer({"status": "ok"})

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
            return _answer({"results": results})

    _add_boundary(app, settings, host)
    return app


def _add_boundary(app: Flask, settings: Settings, host: ModelHost) -> None:
    """Authentication before, errors and the log line after every request."""

    @app.before_request
    def begin() -> Response | None:
        g.report, g.start = Report(), perf_counter()
        if request.path in _OPEN_PATHS or is_allowed(request, settings):
            return None
        refusal = _error(401, "User name and password are required.")
        refusal.headers["WWW-Authenticate"] = 'Basic realm="RITM"'
        return refusal

    @app.errorhandler(RitmError)
    def refused(error: RitmError) -> Response:
        return _error(400, str(error))

    @app.errorhandler(ModelUnavailableError)
    def unavailable(error: ModelUnavailableError) -> Response:
        return _error(503, str(error))

    @app.errorhandler(BusyError)
    def busy(_: BusyError) -> Response:
        return _error(
            503,
            f"The process takes no more predictions at once (RITM_THREADS is {settings.threads}); try again.",
        )

    @app.errorhandler(HTTPException)
    def not_served(error: HTTPException) -> Response:
        sentences = {
            404: "There is nothing at this address.",
            405: f"This address does not take {request.method} requests.",
            413: f"The request is larger than {settings.request_max_mb} MB.",
        }
        code = error.code or 500
        answer = _error(code, sentences.get(code, f"{error.name}."))
        answer.headers.extend((name, value) for name, value in error.get_headers() if name == "Allow")
        return answer

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        g.error_id = uuid4().hex[:8]
        log(_logger, logging.ERROR, "request failed", {"error_id": g.error_id, **whereabouts(error)})
        return _error(500, f"Something went wrong here (error {g.error_id} in the server's log).")

    @app.after_request
    def write_log(response: Response) -> Response:
        _log_request(response, host)
        return response


def _log_request(response: Response, host: ModelHost) -> None:
    report: Report = g.report
    fields: dict[str, object] = {
        "method": request.method,
        "path": request.path[:200],
        "status": response.status_code,
        "ms": round((perf_counter() - g.start) * 1000, 1),
    }
    if report.tasks:
        fields["task"] = report.tasks[0] if len(report.tasks) == 1 else report.tasks
        fields["clicks"] = report.clicks
        fields["model_version"] = host.version
        fields["stages_ms"] = {name: round(ms, 1) for name, ms in report.timings.stages.items()}
    if report.notes:
        fields["notes"] = list(dict.fromkeys(report.notes))[:_LOGGED_NOTES]
    if report.problems:
        fields["problems"] = list(dict.fromkeys(report.problems))[:_LOGGED_NOTES]
    if "error_id" in g:
        fields["error_id"] = g.error_id
    unusual = report.problems or response.status_code >= 400
    log(_logger, logging.WARNING if unusual else logging.INFO, "request", fields)


def _json_body() -> object:
    timings = g.report.timings
    with timings.stage("receive"):
        body = request.get_data(cache=False)
    with timings.stage("parse"):
        try:
            return read_body(body)
        except (ValueError, RecursionError):
            raise RequestError("The body is not JSON.") from None


def _event_action() -> object:
    """The action of a webhook event. Large ones hold masks, and are not worth reading."""
    if not 0 < (request.content_length or 0) <= _LARGEST_EVENT_READ:
        return None
    try:
        event = json.loads(request.get_data(cache=False))
    except (ValueError, RecursionError):
        return None
    return event.get("action") if isinstance(event, dict) else None


def _answer(value: object, status: int = 200) -> Response:
    return Response(to_json(value), status, mimetype="application/json")


def _error(status: int, sentence: str) -> Response:
    g.report.problems.append(sentence)
    return _answer({"error": sentence}, status)
