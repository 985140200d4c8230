"""A file of pipelines, and the settings of a process for each of them.

The file says what pipelines are, the environment how a process works: where Redis is, in which folder and
on what it computes. Without a file the environment describes a single pipeline, by variables of the same
meaning.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, ValidationError

from ritm_model.errors import shown, suggestion
from ritm_ops.jobs.protocol import DEFAULT_PIPELINE
from ritm_ops.pipelines import PipelineError, read_contents
from training.pipelines.fields import PipelineFields
from training.settings import TrainingSettings


class Pipeline(PipelineFields):
    """One pipeline of a file. It has to say where its labels lie; its model is called like itself."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_by_name=True, validate_by_alias=False
    )

    source: str = Field(min_length=1)


def pipelines_of(settings: TrainingSettings) -> Mapping[str, TrainingSettings]:
    """Every pipeline that a process knows, by name, with the settings for it.

    Raises:
        PipelineError: the file cannot be used; the sentence says where.
    """
    if settings.pipelines is None:
        return {settings.pipeline or DEFAULT_PIPELINE: settings}
    read = read_pipelines(settings.pipelines)
    found = {name: _settings_for(name, pipeline, settings) for name, pipeline in read.items()}
    publishers: dict[tuple[str, str], str] = {}
    for name, of_one in found.items():
        target = ((of_one.registry or "").rstrip("/"), of_one.model)
        other = publishers.setdefault(target, name)
        if other != name:
            raise PipelineError(
                f"{settings.pipelines}: {other} and {name} both publish {of_one.model}; "
                "give each a model of its own."
            )
    return found


def chosen(settings: TrainingSettings, names: Collection[str] = ()) -> Mapping[str, TrainingSettings]:
    """The pipelines with these names; without names, the one that the settings name, or else all.

    Raises:
        PipelineError: there is no such pipeline, or the file cannot be used.
    """
    known = pipelines_of(settings)
    wanted = tuple(names) or ((settings.pipeline,) if settings.pipeline else tuple(known))
    for name in wanted:
        if name not in known:
            raise PipelineError(
                f"There is no pipeline '{shown(name)}'{suggestion(name, known)}; known ones are "
                f"{', '.join(known)}."
            )
    return {name: known[name] for name in wanted}


def only_one(settings: TrainingSettings) -> TrainingSettings:
    """The pipeline that is meant where there can be only one.

    Raises:
        PipelineError: it is not said which, or there is no such pipeline.
    """
    found = chosen(settings)
    if len(found) > 1:
        raise PipelineError(
            f"{settings.pipelines} has several pipelines ({', '.join(found)}); name one of them with "
            "--pipeline or RITM_FINETUNE_PIPELINE."
        )
    return next(iter(found.values()))


def read_pipelines(path: Path) -> Mapping[str, Pipeline]:
    """Read a file of pipelines.

    Raises:
        PipelineError: it cannot be read, or says what it may not say.
    """
    return {name: _parsed(name, keys, path) for name, keys in read_contents(path).items()}


def _parsed(name: str, keys: Mapping[str, Any], path: Path) -> Pipeline:
    try:
        return Pipeline.model_validate({"model": name, **keys})
    except ValidationError as error:
        raise PipelineError(f"{path}: {name}: {_problem(error)}.") from None


def _settings_for(name: str, pipeline: Pipeline, settings: TrainingSettings) -> TrainingSettings:
    """The process's own settings, with all that describes a pipeline taken from the file."""
    told = {field: getattr(pipeline, field) for field in PipelineFields.model_fields}
    registry = pipeline.registry or settings.registry
    return settings.model_copy(update={**told, "registry": registry, "pipeline": name})


def _problem(error: ValidationError) -> str:
    """The first problem; an unknown key first of all, with the known one that is most like it."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = (unknown or problems)[0]
    key = shown(problem["loc"][0])
    if unknown:
        return f"there is no '{key}'{suggestion(key, Pipeline.model_fields)}"
    if problem["type"] == "missing":
        return f"'{key}' is missing"
    message = problem["msg"].removeprefix("Value error, ").replace("Input should", "should")
    return f"'{key}' {message.rstrip('.')}"
