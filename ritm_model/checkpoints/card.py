"""The JSON beside our weights: what they are, what they were learnt from, and their hash."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, ValidationError

from ritm_model.errors import CheckpointError
from ritm_model.values import Value, first_problem

SUFFIX = ".safetensors"
MAX_CARD_BYTES = 1_000_000


class TrainingCard(Value):
    """Where weights come from, for people. Every field may be empty.

    `metrics` is by name, such as "GrabCut@90"; `source` an address or file name the weights were
    converted from and `source_sha256` its hash.
    """

    summary: str = ""
    trained_on: str = ""
    licence: str = ""
    recipe: str = ""
    metrics: dict[str, float | str] = Field(default_factory=dict)
    source: str = ""
    source_sha256: str = ""


class ModelCard(Value):
    """What a model file holds: `family` and `params` build the network, `sha256` is of the weights' file."""

    format_version: Literal[1] = 1
    name: Annotated[str, Field(min_length=1, max_length=200)]
    family: str
    params: dict[str, JsonValue]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    training: TrainingCard = TrainingCard()


def card_path(weights_path: Path) -> Path:
    return weights_path.with_suffix(".json")


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """The bytes of a file, or a CheckpointError that says why there are none (or more than `limit`)."""
    try:
        with path.open("rb") as file:
            data = file.read() if limit is None else file.read(limit + 1)
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise CheckpointError(f"{path} is a folder, not a checkpoint.") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from None
    if limit is not None and len(data) > limit:
        raise CheckpointError(f"{path} is larger than {limit:,} bytes.")
    return data


def read_card_file(path: Path) -> ModelCard:
    """Read and check a card, which is the JSON file itself."""
    data = read_bytes(path, MAX_CARD_BYTES)
    try:
        return ModelCard.model_validate_json(data)
    except ValidationError as error:
        raise CheckpointError(f"{path} is not a model card: {first_problem(error)}.") from None


def read_card(path: str | Path) -> ModelCard:
    """Read what a model is without building it; for `.pth` files the card is made up from their config."""
    path = Path(path)
    if path.suffix == SUFFIX and card_path(path).exists():
        return read_card_file(card_path(path))
    from ritm_model.checkpoints.reading import read_contents  # with torch

    contents = read_contents(path)
    return ModelCard(
        name=path.stem,
        family=contents.architecture.family,
        params=contents.architecture.params,
        sha256=contents.sha256,
    )


def model_version(path: str | Path) -> str:
    """Name and first eight digits of the weights' hash, such as "starter-1a2b3c4d".

    Two files of the same version give the same masks.
    """
    path = Path(path)
    if path.suffix == SUFFIX:
        card = read_card(path)
        return f"{card.name}-{card.sha256[:8]}"
    return f"{path.stem}-{sha256_hex(read_bytes(path))[:8]}"
