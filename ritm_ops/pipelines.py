"""A file of pipelines: how it is read, and what servers need of it, which is each pipeline's model.

What else a pipeline says is for those who train; `training/pipelines` reads and checks it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from ritm_model.errors import RitmError, shown, suggestion
from ritm_model.files import reading
from ritm_model.values import ForeignValue, first_problem
from ritm_model.yaml_text import read_yaml

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$"
"""What names of pipelines and of models look like."""

_TOP = "pipelines"
_EXTENSION = "x-"  # keys beside the pipelines that begin so are for YAML's own anchors


class PipelineError(RitmError):
    """A file of pipelines says what none may say, or a pipeline is not the one that is meant."""


class ServedPipeline(ForeignValue):
    """What a server needs of a pipeline.

    Attributes:
        model: its name in the registry.
        registry: where versions lie.
        base: what answers while no version is live.
        source: where its labels lie.
    """

    model: str = Field(pattern=NAME)
    registry: str
    base: str = "bundled"
    source: str | None = None


def read_contents(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """The keys of each pipeline of a file, by name.

    Raises:
        PipelineError: it cannot be read, or is no file of pipelines.
    """
    with reading(path, PipelineError):
        text = path.read_bytes()
    try:
        tree = read_yaml(text)
    except ValueError as error:
        raise PipelineError(f"{path} is not YAML: {error}.") from None
    if not isinstance(tree, dict):
        raise PipelineError(f"{path} must have the key '{_TOP}', and below it pipelines by name.")
    for key in tree:
        if key != _TOP and not str(key).startswith(_EXTENSION):
            raise PipelineError(f"{path}: there is no '{shown(key)}'{suggestion(str(key), [_TOP])}.")
    pipelines = tree.get(_TOP)
    if not isinstance(pipelines, dict) or not pipelines:
        raise PipelineError(f"{path} must have the key '{_TOP}', and below it pipelines by name.")
    return {_name(name, path): _keys(name, keys, path) for name, keys in pipelines.items()}


def served_pipelines(path: Path, registry: str | None) -> Mapping[str, ServedPipeline]:
    """The pipelines of a file as servers see them.

    Args:
        path: of the file.
        registry: of pipelines that name none.

    Raises:
        PipelineError: the file cannot be used; the sentence says where.
    """
    found: dict[str, ServedPipeline] = {}
    for name, keys in read_contents(path).items():
        given = {"model": name, **keys}
        if given.get("registry") is None:
            if registry is None:
                raise PipelineError(
                    f"{path}: {name} has no 'registry', and RITM_REGISTRY is not set either; one of them has "
                    "to say where its models lie."
                )
            given["registry"] = registry
        try:
            found[name] = ServedPipeline.model_validate(given)
        except ValidationError as error:
            raise PipelineError(f"{path}: {name}: {first_problem(error)}.") from None
    return found


def _name(name: object, path: Path) -> str:
    if isinstance(name, str) and re.fullmatch(NAME, name):
        return name
    raise PipelineError(
        f"{path}: '{shown(name)}' cannot name a pipeline: letters, digits, dots, dashes, underscores do."
    )


def _keys(name: object, keys: object, path: Path) -> Mapping[str, Any]:
    if isinstance(keys, dict):
        return keys
    raise PipelineError(f"{path}: {name} must have keys of its own, 'source' first of all.")
