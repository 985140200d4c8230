"""Which models of a server have versions in a registry, so that what is accepted of them can be counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ritm_backend.settings import Settings

if TYPE_CHECKING:
    from ritm_ops.registry.trials import Trials


@dataclass(frozen=True, slots=True)
class CountedModel:
    """A model, and the registry in which its counts are kept."""

    trials: Trials
    name: str


def counted_models(settings: Settings, total_seconds: float = 120) -> Mapping[str | None, CountedModel]:
    """By pipeline, and None for the model that is served to all others.

    Args:
        settings: of the server.
        total_seconds: longest time of one call of S3.

    Raises:
        RitmError: the file of pipelines, or the address of a registry, cannot be used.
    """
    from ritm_ops.object_store import open_store
    from ritm_ops.pipelines import served_pipelines
    from ritm_ops.registry.trials import Trials

    def trials(uri: str) -> Trials:
        return Trials(open_store(uri, timeout_seconds=min(30, total_seconds), total_seconds=total_seconds))

    found: dict[str | None, CountedModel] = {}
    if settings.live_model is not None and settings.registry is not None:
        found[None] = CountedModel(trials(settings.registry), settings.live_model)
    if settings.pipelines is not None:
        for name, pipeline in served_pipelines(settings.pipelines, settings.registry).items():
            found[name] = CountedModel(trials(pipeline.registry), pipeline.model)
    return found
