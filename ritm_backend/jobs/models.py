"""The routes of what fine-tuning has made: models of pipelines, candidates, and what people decide on them.

    GET  /training/models             each pipeline: live version, candidates, trial, accepted objects by day
    POST /training/models             approves or rejects a candidate, or rolls the live version back
    GET  /training/models/filmstrips  pictures of held-out objects; ?version=VERSION[&pipeline=NAME]

They ask the registries that this server follows, and give up soon: annotators' events are answered by the
same threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Annotated, Literal

from flask import Blueprint, Response, g, request
from pydantic import Field, ValidationError

from ritm_backend.accepted import CountedModel, counted_models
from ritm_backend.auth import credentials
from ritm_backend.boundary import answer, refusal
from ritm_backend.jobs.queues import Queues
from ritm_backend.label_studio.errors import RequestError
from ritm_backend.settings import Settings
from ritm_model.errors import shown
from ritm_model.values import Value, first_problem
from ritm_ops.object_store import StoreError
from ritm_ops.registry.filmstrips import read_filmstrips
from ritm_ops.registry.records import RegistryError, number_of

_PATIENCE_SECONDS = 5.0
_DAYS = 14
_CANDIDATES = 10

_NOTHING: Mapping[str, object] = MappingProxyType(
    {"model": None, "live": None, "can_roll_back": False, "candidates": (), "accepted": ()}
)
"""What is shown of a pipeline whose model the server does not follow."""

Name = Annotated[str, Field(min_length=1, max_length=100)]


class _Decision(Value):
    """What a person decides. Without a pipeline, of the model that the server serves to all others."""

    pipeline: Name | None = None
    action: Literal["approve", "reject", "roll back"]
    version: Name


class UnknownModelError(RequestError):
    """The server follows no such model."""


def model_routes(settings: Settings, queues: Queues) -> Blueprint:
    """Make the routes. `queues` are those of the server's pipelines."""
    models = Blueprint("models", __name__)

    @cache
    def known() -> Mapping[str | None, CountedModel]:
        return counted_models(settings, _PATIENCE_SECONDS)

    def model_of(pipeline: str | None) -> CountedModel:
        model = known().get(pipeline)
        if model is None:
            raise UnknownModelError("This server follows no such model.")
        return model

    def shown_of(pipeline: str | None) -> dict[str, object]:
        model, learns = known().get(pipeline), queues.learns(pipeline)
        return {"pipeline": pipeline, "learns": learns, **(_shown(model) if model else _NOTHING)}

    @models.get("/training/models")
    def show() -> Response:
        named = [pipeline for pipeline in queues.pipelines if pipeline is not None]
        has_own = None in known() or queues.learns(None) or not named
        return answer({"models": [shown_of(pipeline) for pipeline in [*([None] if has_own else []), *named]]})

    @models.post("/training/models")
    def decide() -> Response:
        try:
            decision = _Decision.model_validate_json(request.get_data(cache=False))
        except ValidationError as error:
            raise RequestError(f"That is no decision: {first_problem(error)}.") from None
        model = model_of(decision.pipeline)
        given = credentials(request)
        by = given.username if given else None
        _decide(model, decision, f"{by or 'somebody'} on the page")
        return answer(shown_of(decision.pipeline))

    @models.get("/training/models/filmstrips")
    def filmstrips() -> Response:
        model, version = model_of(request.args.get("pipeline")), request.args.get("version", "")
        found = read_filmstrips(model.trials.store, model.name, version)
        if found is None:
            raise UnknownModelError(f"There are no filmstrips of {shown(version, 100)}.")
        return Response(found, mimetype="application/json")

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


def _shown(model: CountedModel) -> dict[str, object]:
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
