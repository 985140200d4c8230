"""Asking for fine-tuning jobs over HTTP; the jobs themselves are none of this package's business."""

from ritm_backend.training.counts import JobCounts
from ritm_backend.training.routes import training_routes

__all__ = ["JobCounts", "training_routes"]
