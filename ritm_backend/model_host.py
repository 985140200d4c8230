"""The model of a serving process: loaded once, in the background, while the server already answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Thread
from uuid import uuid4

from ritm_backend.logs import log, whereabouts
from ritm_model.errors import RitmError
from ritm_model.inference import Annotator

_logger = logging.getLogger(__name__)


class ModelUnavailableError(RitmError):
    """The model is still being loaded, or could not be."""


class ModelHost:
    """Holds the annotator once it is loaded.

    Args:
        load: Makes the annotator, ready for its first click. Runs once, in a thread of its own.
        name: What to call the model until its version is known.
    """

    def __init__(self, load: Callable[[], Annotator], name: str) -> None:
        self._load = load
        self._name = name
        self._annotator: Annotator | None = None
        self._failure: str | None = None
        self._settled = Event()

    def start(self) -> None:
        """Begin to load; returns at once."""
        Thread(target=self._run, name="model-loader", daemon=True).start()

    @property
    def version(self) -> str:
        """Which weights answer; until they are loaded, the name that was asked for."""
        return self._annotator.version if self._annotator else self._name

    @property
    def has_failed(self) -> bool:
        """Whether the model could not be loaded."""
        return self._failure is not None

    def annotator(self, wait_seconds: float = 0) -> Annotator:
        """The annotator, waiting for it if need be.

        Raises:
            ModelUnavailableError: Not loaded within that time, or never.
        """
        self._settled.wait(wait_seconds)
        if self._annotator is not None:
            return self._annotator
        raise ModelUnavailableError(self._failure or f"The model {self._name} is still being loaded.")

    def _run(self) -> None:
        try:
            self._annotator = self._load()
            log(_logger, logging.INFO, "model ready", {"model_version": self.version})
        except RitmError as error:
            self._failure = f"The model {self._name} could not be loaded: {error}"
            log(_logger, logging.ERROR, self._failure, {})
        except Exception as error:  # noqa: BLE001  (the boundary of this thread)
            error_id = uuid4().hex[:8]
            self._failure = f"The model {self._name} could not be loaded (error {error_id} in the log)."
            log(_logger, logging.ERROR, "model failed", {"error_id": error_id, **whereabouts(error)})
        finally:
            self._settled.set()
