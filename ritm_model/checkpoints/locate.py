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
from ritm_model.checkpoints.card import SUFFIX
from ritm_model.errors import CheckpointError


def resolve_model(name_or_path: str | Path) -> Path:
    """Find a model: "bundled", the name of one in the models folder, or a path.

    Text that ends in a suffix of checkpoints or holds a slash is a path, other text a name.

    Raises:
        CheckpointError: nothing there; the message says what to do.
    """
    path = Path(name_or_path).expanduser()
    is_path = isinstance(name_or_path, Path) or len(path.parts) > 1
    if is_path or path.suffix in (SUFFIX, ".pth", ".pt"):
        if path.is_dir():
            raise CheckpointError(f"{path} is a folder: give the file of the model in it.")
        if not path.is_file():
            raise CheckpointError(f"There is no model file {path}.")
        return path
    name = str(name_or_path)
    if name in ("bundled", BUNDLED_NAME):
        return bundled_model_path()
    pulled = pulled_model_path(name)
    if pulled.is_file():
        return pulled
    if catalogue().release(name):
        raise CheckpointError(f"{name} is not on this machine yet; run `ritm models pull {name}`.")
    raise CheckpointError(
        f"There is no model '{name}'; known ones are {', '.join(known_names())}, or give a path."
    )


def known_names() -> list[str]:
    """The bundled model, those of the catalogue, and what else lies in the models folder."""
    released = [release.name for release in catalogue().models]
    own = sorted(path.stem for path in models_folder().glob(f"*{SUFFIX}") if path.stem not in released)
    return ["bundled", *released, *own]
