"""From the name of a model to its file."""

from __future__ import annotations

from pathlib import Path

from ritm_model.catalogue import (
    BUNDLED_NAME,
    bundled_model_path,
    catalogue,
    models_folder,
    pulled_model_path,
)
from ritm_model.checkpoints.errors import CheckpointError
from ritm_model.checkpoints.native import SUFFIX


def resolve_model(name_or_path: str) -> Path:
    """Find a model: "bundled", the name of one in the models folder, or a path.

    What ends in a suffix of checkpoints or holds a slash is a path, everything else a name.

    Raises:
        CheckpointError: nothing there; the message says what to do.
    """
    path = Path(name_or_path).expanduser()
    if path.suffix in (SUFFIX, ".pth", ".pt") or len(path.parts) > 1:
        if not path.is_file():
            raise CheckpointError(f"There is no model file {path}.")
        return path
    if name_or_path in ("bundled", BUNDLED_NAME):
        return bundled_model_path()
    pulled = pulled_model_path(name_or_path)
    if pulled.is_file():
        return pulled
    if catalogue().release(name_or_path):
        raise CheckpointError(
            f"{name_or_path} is not on this machine yet; run `ritm models pull {name_or_path}`."
        )
    raise CheckpointError(
        f"There is no model '{name_or_path}'; known ones are {', '.join(known_names())}, or give a path."
    )


def known_names() -> list[str]:
    """The bundled model, those of the catalogue, and what else lies in the models folder."""
    released = [release.name for release in catalogue().models]
    own = sorted(path.stem for path in models_folder().glob(f"*{SUFFIX}") if path.stem not in released)
    return ["bundled", *released, *own]
