"""The model of a serving process: loaded in the background, while the server already answers.

Where it follows a registry, a newer version is swapped in between two requests; see
`ritm_ops/registry/live_model.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from threading import Event, Thread
from uuid import uuid4

from ritm_backend.logs import log, whereabouts
from ritm_model.errors import RitmError
from ritm_model.inference import Annotator
from ritm_ops.registry.live_model import Newer, OnTrial, Versions, follow

_logger = logging.getLogger(__name__)


class ModelUnavailableError(RitmError):
    """The model is still being loaded, or could not be."""


class ModelHost:
    """Holds the annotator once it is loaded.

    Args:
        load: Makes the annotator, ready for its first click, in a thread of its own; when it is called again,
            that of a newer version, or None.
        name: What to call the model until its version is known.
        check_every_seconds: How often to ask for a newer version; None for a model that stays as it is.
        beside: Done at each check; brings the candidate that is on trial up to date.
        session_ttl_seconds: How long an object that nobody clicks on keeps its version.
    """

    def __init__(
        self,
        load: Newer,
        name: str,
        *,
        check_every_seconds: float | None = None,
        beside: Callable[[Versions], None] = lambda _: None,
        session_ttl_seconds: float = 1800,
    ) -> None:
        self._load = load
        self._name = name
        self._check_every_seconds = check_every_seconds
        self._beside = beside
        self._session_ttl_seconds = session_ttl_seconds
        self._versions: Versions | None = None
        self._failure: str | None = None
        self._settled = Event()
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="model-loader", daemon=True)

    def start(self) -> None:
        """Begin to load; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Look for newer versions no more; waits for the one that is being loaded."""
        self._stopped.set()
        self._thread.join()

    def retire(self) -> None:
        """Look for newer versions no more, and do not wait for that."""
        self._stopped.set()

    @property
    def version(self) -> str:
        """Which weights answer new objects; until they are loaded, the name that was asked for."""
        return self._versions.current.version if self._versions else self._name

    @property
    def versions(self) -> tuple[str, ...]:
        """Which weights answer: the newest first, then those that objects begun before are finished on."""
        return self._versions.names if self._versions else (self._name,)

    @property
    def on_trial(self) -> OnTrial | None:
        """The candidate beside the version that answers, while there is one."""
        return self._versions.on_trial if self._versions else None

    @property
    def is_ready(self) -> bool:
        """Whether there is a model."""
        return self._versions is not None

    @property
    def has_failed(self) -> bool:
        """Whether the model could not be loaded, so far at least."""
        return self._versions is None and self._failure is not None

    @property
    def is_hopeless(self) -> bool:
        """Whether the model could not be loaded, and nobody tries again."""
        return self.has_failed and self._check_every_seconds is None

    def annotator(self, wait_seconds: float = 0, session: str | None = None) -> Annotator:
        """The annotator, waiting for it if need be.

        Args:
            wait_seconds: How long to wait while the first one is loaded.
            session: Names an object that is clicked, which stays with the version it began on.

        Raises:
            ModelUnavailableError: Not loaded within that time, or never.
        """
        self._settled.wait(wait_seconds)
        if self._versions is not None:
            return self._versions.annotator(session)
        raise ModelUnavailableError(self._failure or f"The model {self._name} is still being loaded.")

    def _run(self) -> None:
        every_seconds = self._check_every_seconds
        while not self._begin():
            if every_seconds is None or self._stopped.wait(every_seconds):
                return
        versions = self._versions
        assert versions is not None
        if every_seconds is not None:
            follow(
                versions,
                self._load,
                every_seconds,
                self._stopped,
                on_change=self._tell_change,
                on_trouble=self._tell_trouble,
                also=lambda: self._beside(versions),
            )

    def _begin(self) -> bool:
        """Load the first version. False if that failed, or is still the one that failed."""
        try:
            annotator = self._load()
            if annotator is not None:
                self._versions = Versions(annotator, self._session_ttl_seconds)
                log(_logger, logging.INFO, "model ready", {"model_version": self.version})
        except RitmError as error:
            self._fail(f"The model {self._name} could not be loaded: {error}", "", {})
        except Exception as error:  # noqa: BLE001  (the boundary of this thread)
            error_id = uuid4().hex[:8]
            failure = f"The model {self._name} could not be loaded (error {error_id} in the log)."
            self._fail(failure, "model failed", {"error_id": error_id, **whereabouts(error)})
        finally:
            self._settled.set()
        return self._versions is not None

    def _fail(self, failure: str, message: str, fields: Mapping[str, object]) -> None:
        if failure != self._failure:
            log(_logger, logging.ERROR, message or failure, fields)
        self._failure = failure

    def _tell_change(self, version: str) -> None:
        log(_logger, logging.INFO, "model ready", {"model_version": version, "held": self.versions})

    def _tell_trouble(self, error: Exception) -> None:
        fields: dict[str, object] = {"model_version": self.version}
        if isinstance(error, RitmError):
            log(_logger, logging.ERROR, f"A newer model could not be loaded: {error}", fields)
        else:
            log(_logger, logging.ERROR, "A newer model could not be loaded.", fields | whereabouts(error))
