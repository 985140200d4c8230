"""Asking for fine-tuning jobs over HTTP; the jobs themselves are none of this package's business."""

from ritm_backend.training.routes import training_routes

__all__ = ["training_routes"]
