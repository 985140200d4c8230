"""What surrounds every route: who may ask, how often, what goes wrong, what is logged and counted.

Who may ask at all is judged in `ritm_backend/admission/gate.py`.

Each request has an id: that of its header `X-Request-ID` where a proxy or Label Studio gave one, else a new
one. It goes back in the answer and into the log, and with a job into the queue, so that one question can be
followed through all of them.
"""

from __future__ import annotations

import logging
import math
import re
from time import perf_counter
from uuid import uuid4

from flask import Flask, Request, Response, g, request
from werkzeug.exceptions import HTTPException

from ritm_backend.admission.gate import PROBES, Gate
from ritm_backend.admission.rate_limit import RateLimit, TooManyError
from ritm_backend.front.wsgi import ARRIVED, GONE
from ritm_backend.label_studio.answers import to_json
from ritm_backend.logs import log, whereabouts
from ritm_backend.metrics import Metrics
from ritm_backend.model_host import ModelHost, ModelUnavailableError
from ritm_backend.report import Report, next_step_of_status
from ritm_backend.settings import Settings
from ritm_model.errors import RitmError
from ritm_model.images.memory import is_out_of_memory
from ritm_ops.admission import BusyError, Resources

REQUEST_ID = "X-Request-ID"

_CLICKS = "/predict"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOGGED_NOTES = 20
_SECONDS_TO_COME_BACK = "1"

_logger = logging.getLogger(__name__)


def answer(value: object, status: int = 200) -> Response:
    return Response(to_json(value), status, mimetype="application/json")


def refusal(status: int, sentence: str) -> Response:
    """An error as clients see it; the log gets the same sentence."""
    g.report.problems.append(sentence)
    return answer({"error": sentence}, status)


def surround(
    app: Flask, settings: Settings, host: ModelHost, metrics: Metrics, gate: Gate, resources: Resources
) -> RateLimit:
    """The gate and limits before, errors, the log line and the counts after every request.

    Returns:
        The limit, which clicks are counted by when their task is known.
    """
    limit = RateLimit(settings.rate_per_minute)

    @app.before_request
    def begin() -> Response | None:
        g.report, g.start = Report(client_of(request)), perf_counter()
        g.report.deadline = resources.admission.deadline(request.environ.get(ARRIVED))
        g.report.is_gone = request.environ.get(GONE, g.report.is_gone)
        given = request.headers.get(REQUEST_ID, "")
        g.request_id = given if _ID.fullmatch(given) else uuid4().hex[:16]
        refused = gate.judge(request)
        if refused is None:
            if request.path not in (*PROBES, _CLICKS):
                limit.take(client_of(request))
            return None
        metrics.refused(refused.reason)
        answer = refusal(refused.status, refused.sentence)
        answer.headers.extend(refused.headers)
        return answer

    @app.errorhandler(TooManyError)
    def too_many(error: TooManyError) -> Response:
        metrics.refused("rate")
        answer = refusal(429, str(error))
        answer.headers["Retry-After"] = str(math.ceil(error.seconds))
        return answer

    @app.errorhandler(RitmError)
    def refused(error: RitmError) -> Response:
        return refusal(400, str(error))

    @app.errorhandler(ModelUnavailableError)
    def unavailable(error: ModelUnavailableError) -> Response:
        return refusal(503, str(error))

    @app.errorhandler(BusyError)
    def busy(error: BusyError) -> Response:
        metrics.refused("busy")
        return _come_back(str(error))

    def _come_back(sentence: str) -> Response:
        answer = refusal(503, sentence)
        answer.headers["Retry-After"] = _SECONDS_TO_COME_BACK
        return answer

    @app.errorhandler(HTTPException)
    def not_served(error: HTTPException) -> Response:
        sentences = {
            404: "There is nothing at this address.",
            405: f"This address does not take {request.method} requests.",
            413: f"The request is larger than {settings.request_max_mb} MB.",
        }
        code = error.code or 500
        answer = refusal(code, sentences.get(code, f"{error.name}."))
        answer.headers.extend((name, value) for name, value in error.get_headers() if name == "Allow")
        return answer

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        g.error_id = uuid4().hex[:8]
        fields = {"error_id": g.error_id, "request_id": g.request_id, **whereabouts(error)}
        if is_out_of_memory(error):
            metrics.refused("memory")
            log(_logger, logging.ERROR, "out of memory", fields)
            return _come_back("There is not enough memory for this now; try again, or a smaller image.")
        metrics.failed()
        log(_logger, logging.ERROR, "request failed", fields)
        return refusal(500, f"Something went wrong here (error {g.error_id} in the server's log).")

    @app.after_request
    def end(response: Response) -> Response:
        response.headers[REQUEST_ID] = g.request_id
        seconds = perf_counter() - g.start
        metrics.answered(request.path, response.status_code, seconds)
        if g.report.clicks:
            metrics.clicked(g.report.clicks, g.report.timings)
        _log_request(response, host, seconds)
        if request.path == _CLICKS:
            _log_unanswered(response.status_code)
            metrics.unanswered(len(g.report.unanswered))
        return response

    return limit


def client_of(request: Request) -> str:
    """Whose request it is: its address, since all who have the password have the same name."""
    return request.remote_addr or ""


def _log_request(response: Response, host: ModelHost, seconds: float) -> None:
    report: Report = g.report
    fields: dict[str, object] = {
        "request_id": g.request_id,
        "method": request.method,
        "path": request.path[:200],
        "status": response.status_code,
        "ms": round(seconds * 1000, 1),
    }
    if report.tasks:
        fields["task"] = report.tasks[0] if len(report.tasks) == 1 else report.tasks[:_LOGGED_NOTES]
        if len(report.tasks) > _LOGGED_NOTES:
            fields["tasks"] = len(report.tasks)
        fields["clicks"] = report.clicks
        fields["model_version"] = report.model_version or host.version
        fields["stages_ms"] = {name: round(ms, 1) for name, ms in report.timings.stages.items()}
    if report.notes:
        fields["notes"] = list(dict.fromkeys(report.notes))[:_LOGGED_NOTES]
    if report.problems:
        fields["problems"] = list(dict.fromkeys(report.problems))[:_LOGGED_NOTES]
    if "error_id" in g:
        fields["error_id"] = g.error_id
    unusual = report.problems or response.status_code >= 400
    log(_logger, logging.WARNING if unusual else logging.INFO, "request", fields)


def _log_unanswered(status: int) -> None:
    """A line for each click without a mask: Label Studio shows annotators no errors, so others have to."""
    report: Report = g.report
    if status >= 400 and not report.unanswered:
        report.not_answered(None, " ".join(report.problems), next_step_of_status(status))
    for lost in report.unanswered[:_LOGGED_NOTES]:
        fields = {"request_id": g.request_id, "task": lost.task, "why": lost.why, "next_step": lost.next_step}
        log(_logger, logging.WARNING, "click not answered", fields)
    if further := len(report.unanswered[_LOGGED_NOTES:]):
        fields = {"request_id": g.request_id, "count": further}
        log(_logger, logging.WARNING, "further clicks not answered", fields)
