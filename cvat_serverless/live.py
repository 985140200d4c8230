"""Where the function's model is the live version of a registry: taken up between two events.

Versions, and the sessions on them, are those of `ritm_ops/registry/live_model.py`; here they are put
together from the function's settings, and their messages written to Nuclio's log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from typing import Protocol

from cvat_serverless.settings import CvatSettings
from ritm_model.errors import RitmError
from ritm_model.inference import Annotator
from ritm_ops.environment import SettingsError
from ritm_ops.object_store import open_store
from ritm_ops.registry import LIVE_PREFIX, Registry
from ritm_ops.registry.live_model import Newer, RegistrySource, Versions, cache_folder, follow


class Logger(Protocol):
    """What is used of Nuclio's logger; the keywords become fields of the log line."""

    def info_with(self, message: str, **fields: object) -> None: ...
    def warn_with(self, message: str, **fields: object) -> None: ...
    def error_with(self, message: str, **fields: object) -> None: ...


@dataclass(frozen=True, slots=True)
class LiveInteractor:
    """The versions that answer, and where newer ones come from."""

    versions: Versions
    newer: Newer
    every_seconds: float

    def follow(self, logger: Logger) -> Event:
        """Begin to look for newer versions, until the event that is returned is set."""
        stopped = Event()

        def trouble(error: Exception) -> None:
            reason = str(error) if isinstance(error, RitmError) else type(error).__name__
            logger.error_with("a newer model could not be loaded", reason=reason)

        def run() -> None:
            follow(
                self.versions,
                self.newer,
                self.every_seconds,
                stopped,
                on_change=lambda version: logger.info_with("model ready", version=version),
                on_trouble=trouble,
            )

        Thread(target=run, name="model-loader", daemon=True).start()
        return stopped


def open_live(settings: CvatSettings, load: Callable[[str], Annotator]) -> LiveInteractor | None:
    """Load the live version of the model that the settings name; None if it is no model of a registry.

    Raises:
        SettingsError: it is one, but no registry is named.
        RitmError: the registry is out of reach, or the version cannot be loaded.
    """
    if not settings.ritm_model.startswith(LIVE_PREFIX):
        return None
    if settings.ritm_registry is None:
        raise SettingsError("RITM_REGISTRY must be set where RITM_MODEL names a model of the registry.")
    source = RegistrySource(
        Registry(open_store(settings.ritm_registry)),
        settings.ritm_model.removeprefix(LIVE_PREFIX),
        load,
        fallback="bundled",
        cache_dir=cache_folder(),
    )
    first = source.newer()
    assert first is not None, "there was none before"
    versions = Versions(first, settings.ritm_cvat_ttl_seconds)
    return LiveInteractor(versions, source.newer, settings.ritm_registry_seconds)
