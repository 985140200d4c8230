"""The routes of the demo.

    GET  /              the page; its modules and style sheets lie under `/web/`
    GET  /demo/config   models, options, sample pictures
    GET  /demo/opening  the picture that the page opens with, if the command line named one
    POST /demo/images   a picture in, its id and size out
    POST /demo/masks    a file of masks in, its id, size and objects out
    GET  /demo/images/ID  that picture as PNG, for kinds of files that browsers cannot show
    POST /demo/files    objects with their masks in, a file of them out
    POST /demo/click    a prompt in, a mask out; files that the server lacks may come along
    GET  /demo/status   for administrators: the model, what is held, how long answers took, the last problems

They need the same user and password as all others. The page loads nothing from elsewhere and runs no code
but its own modules; a page of another site cannot use the routes in an annotator's name.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

from flask import Blueprint, Response, g, request
from PIL import Image
from werkzeug.exceptions import NotFound

from ritm_backend.demo.activity import Activity
from ritm_backend.demo.files import read_file_wanted, write_file
from ritm_backend.demo.prompts import read_prompt
from ritm_backend.demo.service import DemoService, FileMissingError
from ritm_backend.label_studio.errors import RequestError
from ritm_backend.model_host import ModelHost
from ritm_backend.settings import Settings
from ritm_ops.admission import Requester, Resources

WEB = Path(__file__).parents[1] / "web"

_MASK_PATHS = ("/predict", "/demo/click")
# Asked while the model loads, by browsers, and whether there is any fine-tuning.
_EXPECTED_TROUBLE = ("/ready", "/live", "/health", "/favicon.ico", "/training/jobs")

_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def demo_routes(host: ModelHost, settings: Settings, resources: Resources) -> Blueprint:
    """Make the routes. `resources` are shared with all other routes."""
    demo = Blueprint("demo", __name__)
    service = DemoService(host, settings, resources)
    activity = Activity()

    files = {path.relative_to(WEB).as_posix(): path for path in WEB.rglob("*.*")}

    @demo.get("/")
    def page() -> Response:
        return _file(files["index.html"])

    @demo.get("/web/<path:name>")
    def web(name: str) -> Response:
        if name not in files:  # so no name can lead anywhere else
            raise NotFound
        return _file(files[name])

    @demo.get("/demo/config")
    def config() -> Response:
        samples = json.loads((WEB / "samples/samples.json").read_text())
        return _json(
            {
                "model_version": host.version,
                "models": service.models.names(),
                "options": service.models.default().model_dump(),
                "threshold": service.models.threshold,
                "most_clicks": settings.max_clicks,
                "opening": settings.demo_image.name if settings.demo_image else None,
                "samples": samples,
            }
        )

    @demo.get("/demo/opening")
    def opening() -> Response:
        if settings.demo_image is None:
            raise NotFound
        return _file(settings.demo_image)

    @contextmanager
    def place() -> Iterator[float]:
        """A place to work in, and the seconds that it was waited for."""
        began = monotonic()
        with resources.admission.place(Requester(g.report.client, "demo"), deadline=g.report.deadline):
            if g.report.is_gone():
                raise RequestError("Whoever asked has closed the connection.")
            yield monotonic() - began

    @demo.post("/demo/images")
    def images() -> Response:
        with place():
            return _json(service.open_image(request.get_data(cache=False), g.report.client))

    @demo.post("/demo/masks")
    def masks() -> Response:
        with place():
            return _json(service.open_mask(request.get_data(cache=False)))

    @demo.get("/demo/images/<digest>")
    def picture(digest: str) -> Response:
        shown = BytesIO()
        with place():
            Image.fromarray(service.image(digest)).save(shown, "PNG", compress_level=1)
        return Response(shown.getvalue(), mimetype="image/png")

    @demo.post("/demo/click")
    def click() -> Response:
        with place() as waited_seconds:
            timings = g.report.timings
            with timings.stage("receive"):
                prompt = read_prompt(request.form.get("prompt", ""))
                for file in request.files.getlist("file"):
                    service.keep(file.read())
            answer = service.segment(prompt, timings, g.report.client, waited_seconds)
        g.report.clicks = len(prompt.clicks)
        stages = {name: round(ms, 1) for name, ms in timings.stages.items()}
        return _json({**answer, "stages_ms": stages})

    @demo.post("/demo/files")
    def files_of_masks() -> Response:
        with place():
            wanted = read_file_wanted(request.get_data(cache=False), settings.image_max_pixels)
            if wanted.memory > resources.memory.largest:
                raise RequestError("So many large objects cannot be saved at once; save COCO JSON instead.")
            with resources.memory.hold(wanted.memory, g.report.deadline):
                file = write_file(wanted)
        return Response(file.data, mimetype=file.mimetype)

    @demo.get("/demo/status")
    def status() -> Response:
        return _json({**service.models.status(), **activity.report()})

    @demo.after_app_request
    def remember(response: Response) -> Response:
        if request.method == "POST" and request.path in _MASK_PATHS and response.status_code == 200:
            activity.answered((perf_counter() - g.start) * 1000)
        problems: list[str] = g.report.problems
        fault = g.get("error_id")
        if fault or (problems and request.path not in _EXPECTED_TROUBLE):
            activity.troubled(request.path, response.status_code, problems, fault)
        return response

    @demo.errorhandler(FileMissingError)
    def missing(error: FileMissingError) -> Response:
        return _json({"error": str(error), "missing": error.digest}, 409)

    @demo.after_request
    def protect(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response

    return demo


def _file(path: Path) -> Response:
    """A file that the browser asks after each time, and gets again only if it has changed."""
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    response = Response(path.read_bytes(), mimetype=kind)
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    return response


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status, mimetype="application/json")
