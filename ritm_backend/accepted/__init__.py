"""What annotators accept: counted for each version, and for candidates on trial."""

from ritm_backend.accepted.counting import Counting
from ritm_backend.accepted.following import CountedModel, counted_models
from ritm_backend.accepted.notes import Note, NoteKeeper, Notes
from ritm_backend.accepted.redis_notes import RedisNotes
from ritm_backend.accepted.shadow import Shadow

__all__ = [
    "CountedModel",
    "Counting",
    "Note",
    "NoteKeeper",
    "Notes",
    "RedisNotes",
    "Shadow",
    "counted_models",
]
