"""Asking for fine-tuning jobs over HTTP; the jobs themselves are none of this package's business."""

from ritm_backend.jobs.counts import JobCounts
from ritm_backend.jobs.handover import Handover
from ritm_backend.jobs.models import model_routes
from ritm_backend.jobs.queues import Queues
from ritm_backend.jobs.routes import training_routes

__all__ = ["Handover", "JobCounts", "Queues", "model_routes", "training_routes"]
