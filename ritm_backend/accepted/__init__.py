"""What annotators accept: counted for each version, and for candidates on trial."""

from ritm_backend.accepted.counting import Counting
from ritm_backend.accepted.following import CountedModel, counted_models
from ritm_backend.accepted.notes import Note, Notes
from ritm_backend.accepted.shadow import Shadow

__all__ = ["CountedModel", "Counting", "Note", "Notes", "Shadow", "counted_models"]
