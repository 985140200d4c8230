"""The known models as data: named architectures, the released checkpoints, and where pulled ones lie.

Holds no torch, so that listing the models is quick.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue, model_validator

from ritm_model.values import Value

BUNDLED_NAME = "starter"


class Architecture(Value):
    """What a state dict fits into: a family of networks and its constructor parameters."""

    model_config = ConfigDict(allow_inf_nan=True)  # building the network refuses such parameters by name

    family: str
    params: dict[str, JsonValue]


class Release(Value):
    """A published checkpoint that `ritm models pull` can fetch.

    `megabytes` is the size as published, rounded there; `noc` the published mean number of clicks,
    by "dataset@IoU percent".
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    architecture: str
    url: Annotated[str, Field(pattern=r"^https://")]
    megabytes: Annotated[float, Field(gt=0)]
    parameters: Annotated[int, Field(gt=0)]
    trained_on: str
    licence: str
    licence_note: str
    noc: dict[str, Annotated[float, Field(ge=1, le=20)]]

    @property
    def file_name(self) -> str:
        return self.url.rsplit("/", 1)[1]


class Catalogue(Value):
    """`architectures` by name, and the released models in the order in which they are shown."""

    architectures: dict[str, Architecture]
    models: tuple[Release, ...]

    @model_validator(mode="after")
    def _names_agree(self) -> Catalogue:
        unknown = {release.architecture for release in self.models} - self.architectures.keys()
        if unknown:
            raise ValueError(f"unknown architectures: {', '.join(sorted(unknown))}")
        if len({release.name for release in self.models}) != len(self.models):
            raise ValueError("two models have the same name")
        return self

    def release(self, name: str) -> Release | None:
        return next((release for release in self.models if release.name == name), None)


@cache
def catalogue() -> Catalogue:
    """The catalogue that ships with the package."""
    return Catalogue.model_validate_json(Path(__file__).with_suffix(".json").read_bytes())


def architecture_name(family: str, params: Mapping[str, JsonValue]) -> str | None:
    """What the catalogue calls an architecture, if it knows it."""
    for name, known in catalogue().architectures.items():
        if known.family == family and known.params.items() <= params.items():
            return name
    return None


def models_folder() -> Path:
    """Where pulled models lie: `RITM_MODELS`, else `ritm/models` in the user's cache folder."""
    if chosen := os.environ.get("RITM_MODELS"):
        return Path(chosen).expanduser()
    # The XDG rules ask to ignore a relative XDG_CACHE_HOME.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "ritm" / "models"


def bundled_model_path() -> Path:
    """The weights that ship with the package."""
    return Path(__file__).parent / "weights" / f"{BUNDLED_NAME}.safetensors"


def pulled_model_path(name: str) -> Path:
    """Where the model `name` lies in the models folder once it is there."""
    return models_folder() / f"{name}.safetensors"
