"""The routes of what fine-tuning has made: models of pipelines, candidates, and what people decide on them.

    GET  /training/models  each model: its live version, candidates, trial, and accepted objects by day
    POST /training/models  approves or rejects a candidate, or rolls the live version back

They ask the registries that this server follows, and give up soon: annotators' events are answered by the
same threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

from flask import Blueprint, Response, g, request
from pydantic import Field, ValidationError

from ritm_backend.accepted import CountedModel, counted_models
from ritm_backend.boundary import answer, refusal
from ritm_backend.label_studio.errors import RequestError
from ritm_backend.settings import Settings
from ritm_model.values import Value, first_problem
from ritm_ops.object_store import StoreError
from ritm_ops.registry.records import RegistryError, number_of

_PATIENCE_SECONDS = 5.0
_DAYS = 14
_CANDIDATES = 10

Name = Annotated[str, Field(min_length=1, max_length=100)]


class _Decision(Value):
    """What a person decides. Without a pipeline, of the model that the server serves to all others."""

    pipeline: Name | None = None
    action: Literal["approve", "reject", "roll back"]
    version: Name


class UnknownModelError(RequestError):
    """The server follows no such model."""


def model_routes(settings: Settings) -> Blueprint:
    """Make the routes."""
    models = Blueprint("models", __name__)

    @cache
    def known() -> Mapping[str | None, CountedModel]:
        return counted_models(settings, _PATIENCE_SECONDS)

    @models.get("/training/models")
    def show() -> Response:
        return answer({"models": [_shown(pipeline, model) for pipeline, model in known().items()]})

    @models.post("/training/models")
    def decide() -> Response:
        try:
            decision = _Decision.model_validate_json(request.get_data(cache=False))
        except ValidationError as error:
            raise RequestError(f"That is no decision: {first_problem(error)}.") from None
        model = known().get(decision.pipeline)
        if model is None:
            raise UnknownModelError("This server follows no such model.")
        by = request.authorization.username if request.authorization else None
        _decide(model, decision, f"{by or 'somebody'} on the page")
        return answer(_shown(decision.pipeline, model))

    @models.errorhandler(UnknownModelError)
    def unknown(error: UnknownModelError) -> Response:
        return refusal(404, str(error))

    @models.errorhandler(RegistryError)
    def not_done(error: RegistryError) -> Response:
        return refusal(409, str(error))

    @models.errorhandler(StoreError)
    def not_reached(error: StoreError) -> Response:
        return refusal(503, str(error))

    return models


def _decide(model: CountedModel, decision: _Decision, by: str) -> None:
    registry, name = model.trials.registry, model.name
    if decision.action == "approve":
        registry.approve(name, decision.version, by=by)
    elif decision.action == "reject":
        registry.reject(name, decision.version, by=by)
    else:
        live = registry.live(name)
        if live is None or live.version != decision.version:
            raise RegistryError(f"{decision.version} is not live any more; look again.")
        registry.rollback(name, by=by)
    g.report.notes.append(f"{decision.action} {decision.version}")


def _shown(pipeline: str | None, model: CountedModel) -> dict[str, object]:
    trials, registry, name = model.trials, model.trials.registry, model.name
    live, trial = registry.live(name), trials.last(name)
    candidates = []
    for manifest in reversed(registry.candidates(name)[-_CANDIDATES:]):
        report = registry.report(name, manifest.version)
        candidates.append(
            {
                "version": manifest.version,
                "published_at": manifest.published_at.isoformat(timespec="seconds"),
                "noc_before": number_of(report, "noc_before"),
                "noc_after": number_of(report, "noc_after"),
                "decision": str(report.get("decision", ""))[:500],
                "trial": f"{trial.sentence}; {trial.outcome}".rstrip("; ")
                if trial and trial.version == manifest.version
                else "",
            }
        )
    return {
        "pipeline": pipeline,
        "model": name,
        "live": live.version if live else None,
        "can_roll_back": live is not None and live.history[-1].previous is not None,
        "candidates": candidates,
        "accepted": [
            {"day": f"{day}", "version": version, "objects": tally.objects, "clicks": round(tally.mean, 2)}
            for day, versions in sorted(trials.counts(name).newest(_DAYS).by_day.items(), reverse=True)
            for version, tally in versions.items()
        ],
    }
