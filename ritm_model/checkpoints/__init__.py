"""Checkpoints: read (the paper's `.pth`, plain state dicts, our safetensors + JSON) and written (ours).

What needs no torch does not load it: where models lie, and their cards.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ritm_model.catalogue import Architecture, architecture_name, bundled_model_path
from ritm_model.checkpoints.card import ModelCard, TrainingCard, model_version, read_card
from ritm_model.checkpoints.locate import resolve_model
from ritm_model.errors import CheckpointError

if TYPE_CHECKING:
    from ritm_model.checkpoints.convert import convert_model
    from ritm_model.checkpoints.native import save_model
    from ritm_model.checkpoints.reading import load_model

__all__ = [
    "Architecture",
    "CheckpointError",
    "ModelCard",
    "TrainingCard",
    "architecture_name",
    "bundled_model_path",
    "convert_model",
    "load_model",
    "model_version",
    "read_card",
    "resolve_model",
    "save_model",
]

_WITH_TORCH = {"convert_model": "convert", "load_model": "reading", "save_model": "native"}


if not TYPE_CHECKING:  # so that type checkers refuse names that are not there

    def __getattr__(name: str) -> object:
        if name not in _WITH_TORCH:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_WITH_TORCH[name]}"), name)
        globals()[name] = value  # from now on without this detour
        return value
