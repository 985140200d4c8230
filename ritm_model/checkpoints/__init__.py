"""Checkpoints: read (the paper's `.pth`, plain state dicts, our safetensors + JSON) and written (ours)."""

from ritm_model.catalogue import Architecture, bundled_model_path
from ritm_model.checkpoints.architecture import architecture_name
from ritm_model.checkpoints.card import ModelCard, TrainingCard
from ritm_model.checkpoints.convert import convert_model
from ritm_model.checkpoints.locate import resolve_model
from ritm_model.checkpoints.native import save_model
from ritm_model.checkpoints.reading import load_model, model_version, read_card
from ritm_model.errors import CheckpointError

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
