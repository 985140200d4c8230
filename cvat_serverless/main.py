"""The Nuclio function: one click in CVAT's *AI tools* becomes a mask.

Life of the process: Nuclio imports this file and calls `init_context` once, which loads the model and runs
it once, so that the first click need not wait for that. An exception there ends the process and
leaves the container unhealthy. Then `handler` gets one event at a time. Nuclio sends the traceback of an
exception in the handler to the caller, so nothing may escape it: requests that cannot be answered get
status 400 and one sentence, those for which there was no memory in time 503. Faults get 500 and an id that
stands beside the traceback in the log.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import traceback
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from time import monotonic
from typing import Any, Protocol

from cvat_serverless.answer import write_answer
from cvat_serverless.interactor import Interactor
from cvat_serverless.live import LiveInteractor, Logger
from cvat_serverless.loading import Loaded, load
from cvat_serverless.request import InteractionError, read_request
from cvat_serverless.settings import CvatSettings
from ritm_model.errors import RitmError
from ritm_model.images import Pixels
from ritm_model.inference.timing import Timings
from ritm_ops.admission import BusyError, decode_within

JSON = "application/json"
MEMORY_WAIT_SECONDS = 10.0
"""How long a frame waits for memory; the clicks on it must fit in what is left of the `eventTimeout`."""
HASH_SLICE = 128 * 1024
"""Characters encoded at once: they stay in the processor's cache, and no second copy of the text is made."""


class Event(Protocol):
    """What is used of Nuclio's event.

    `body` is a dict, or bytes for an unusual content type. `timestamp` is when Nuclio received it, before
    it waited for a worker: whole seconds, a datetime without a zone that means UTC.
    """

    @property
    def body(self) -> object: ...
    @property
    def timestamp(self) -> object: ...


class Context(Protocol):
    """What is used of Nuclio's context. `user_data` is a namespace of ours, `Response` a class."""

    @property
    def logger(self) -> Logger: ...
    @property
    def user_data(self) -> Any: ...
    @property
    def Response(self) -> Any: ...  # noqa: N802  (Nuclio's name)


@dataclass(frozen=True, slots=True)
class Function:
    """What a worker keeps between events."""

    settings: CvatSettings
    loaded: Loaded

    @classmethod
    def start(cls, settings: CvatSettings) -> Function:
        """Load the model and run it once. Raises RitmError: model, device or registry is not there."""
        return cls(settings, load(settings))

    @property
    def interactor(self) -> Interactor:
        return self.loaded.interactor

    @property
    def live(self) -> LiveInteractor | None:
        return self.loaded.live

    def answer(self, body: object, timings: Timings, waited_seconds: float = 0) -> str:
        """Answer one request with JSON text.

        Args:
            body: of the event.
            timings: takes the milliseconds of each stage.
            waited_seconds: how long it has waited for a worker.

        Raises:
            RitmError: the request or its image cannot be used.
        """
        with timings.stage("read"):
            request = read_request(body)
        with timings.stage("hash"):
            # The text is hashed, not the bytes in it: a frame seen before need not be decoded at all.
            image_key = _hash(request.image)
        segmentation = self.interactor.segment(
            image_key,
            lambda: self._decode(request.image, timings),
            request.prompts,
            timings,
            waited_seconds,
        )
        with timings.stage("write"):
            text = write_answer(
                segmentation,
                self.settings.ritm_cvat_answer,
                with_confidence=self.settings.ritm_cvat_confidence,
            )
        self.loaded.metrics.clicked(request.prompts.count, timings)
        return text

    def _decode(self, image: str, timings: Timings) -> Pixels:
        try:
            data = base64.b64decode(image, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InteractionError("The field 'image' is not base64 text.") from error
        return decode_within(self.loaded.memory, data, timings, monotonic() + MEMORY_WAIT_SECONDS)


def init_context(context: Context) -> None:
    """Called by Nuclio before the first event."""
    settings = CvatSettings.from_environment()
    function = context.user_data.function = Function.start(settings)
    if function.live:
        function.live.follow(context.logger)
    context.logger.info_with("ready", version=function.interactor.annotator.version)


def handler(context: Context, event: Event) -> Any:
    """Called by Nuclio for each event; returns its response object, never an exception."""
    function: Function = context.user_data.function
    timings, light, began = Timings(), False, monotonic()
    try:
        waited_seconds = _waited(event.timestamp, datetime.now(timezone.utc))
        body, status = function.answer(event.body, timings, waited_seconds), 200
        light = function.interactor.annotator.stats().is_light
    except BusyError as error:
        context.logger.warn_with("busy", reason=str(error))
        body, status = json.dumps({"error": str(error)}), 503
    except RitmError as error:
        context.logger.warn_with("refused", reason=str(error))
        body, status = json.dumps({"error": str(error)}), 400
    except Exception:  # noqa: BLE001  (the one boundary of this entry point)
        error_id = uuid.uuid4().hex[:12]
        context.logger.error_with("failed", error_id=error_id, traceback=traceback.format_exc())
        body, status = json.dumps({"error": f"The function failed; its log has the error {error_id}."}), 500
    function.loaded.metrics.answered(status, monotonic() - began)
    stages = {name: round(milliseconds, 1) for name, milliseconds in timings.stages.items()}
    context.logger.info_with("answered", status=status, bytes=len(body), light=light, **stages)
    return context.Response(headers={}, body=body, content_type=JSON, status_code=status)


def _waited(received: object, now: datetime) -> float:
    """Seconds, at least, from when Nuclio received an event, whose second it tells, until now."""
    if not isinstance(received, datetime):
        return 0.0  # an event from elsewhere
    return max(0.0, (now - received.replace(tzinfo=timezone.utc)).total_seconds() - 1)


def _hash(text: str) -> str:
    digest = hashlib.sha256()
    for start in range(0, len(text), HASH_SLICE):
        # JSON may hold halves of characters, which are no base64 either; decoding will say so.
        digest.update(text[start : start + HASH_SLICE].encode(errors="surrogatepass"))
    return digest.hexdigest()
