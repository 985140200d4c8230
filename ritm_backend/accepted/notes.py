"""Objects that were clicked and may be accepted: a file for each, in a folder that all workers share.

Clicks on an object and the event that tells of its acceptance may reach different workers, or servers. What
is noted is the clicks, and which version answered them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from pydantic import Field, ValidationError

from ritm_model.clicks import Click
from ritm_model.files import new_path
from ritm_model.inference.geometry import Box
from ritm_model.values import Value

MOST_NOTES = 50_000
KEPT_SECONDS = 24 * 3600

_ACCEPTED = ".accepted"
_LONGEST_REFERENCE = 4096  # of an image; longer ones hold it


class Note(Value):
    """One object, as it was answered last.

    Attributes:
        session: names its first prompt, by which a version was chosen.
        prompt: names the prompt that `clicks` are of; an object has several where each click is accepted
            at once.
        pipeline: of the project, or None.
        version: that answered; empty if several have.
        clicks: of the prompt, as (x, y, is positive) in pixels.
        box: left, top, right, bottom in pixels, if it was begun with one.
        before: clicks of the earlier prompts.
        task: its number.
        reference: of its image; empty where that is too long.
    """

    session: str
    prompt: str
    pipeline: str | None
    version: str
    clicks: tuple[tuple[float, float, bool], ...]
    box: tuple[float, float, float, float] | None = None
    before: int = Field(default=0, ge=0)
    task: int | None = None
    reference: str = ""

    @property
    def cost(self) -> int:
        """Clicks that the object took; a box is one."""
        return max(1, self.before + len(self.clicks) + (self.box is not None))

    @property
    def region(self) -> Box | None:
        return Box(*self.box) if self.box else None

    @property
    def all_clicks(self) -> tuple[Click, ...]:
        return tuple(Click(x, y, is_positive) for x, y, is_positive in self.clicks)

    def after(self, earlier: Note) -> Note:
        """The same object with its earlier prompt, where this one goes on with that one's region."""
        is_same = earlier.prompt == self.prompt
        return self.model_copy(
            update={
                "session": earlier.session,
                "before": earlier.before if is_same else earlier.cost,
                "version": self.version if self.version == earlier.version else "",
            }
        )


def without_picture(note: Note) -> Note:
    """The same without its reference, where that holds the picture itself."""
    return note if len(note.reference) <= _LONGEST_REFERENCE else note.model_copy(update={"reference": ""})


class NoteKeeper(Protocol):
    """Where servers that answer for one address keep their notes."""

    def keep(self, region_id: str, note: Note) -> None:
        """Keep what was answered last for a region, unless it has been accepted before."""

    def take(self, region_id: str) -> Note | None:
        """The note of a region that is accepted now for the first time."""

    def tidy(self) -> None:
        """Remove what is old."""


class Notes:
    """The notes of a server. Thread-safe; a folder that cannot be used keeps none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, region_id: str, note: Note) -> None:
        """Keep what was answered last for a region, unless it has been accepted before."""
        note = without_picture(note)
        path = self._path(region_id)
        if path.with_suffix(_ACCEPTED).exists():
            return
        earlier = _read(path)
        if earlier is not None:
            note = note.after(earlier)
        with suppress(OSError), new_path(path) as unfinished:
            unfinished.write_text(note.model_dump_json())  # a power cut may take it

    def take(self, region_id: str) -> Note | None:
        """The note of a region that is accepted now for the first time."""
        path = self._path(region_id)
        try:
            path.rename(path.with_suffix(_ACCEPTED))  # of several who are told of it, one can
        except OSError:
            return None
        return _read(path.with_suffix(_ACCEPTED))

    def tidy(self) -> None:
        """Remove old notes, and the oldest of too many."""
        now = time.time()
        found = sorted(_ages(self._folder), reverse=True)
        for place, (written, path) in enumerate(found):
            if place >= MOST_NOTES or written < now - KEPT_SECONDS:
                with suppress(OSError):
                    path.unlink()

    def _path(self, region_id: str) -> Path:
        return self._folder / sha256(region_id.encode(errors="surrogatepass")).hexdigest()[:32]


def _ages(folder: Path) -> Iterator[tuple[float, Path]]:
    with suppress(OSError):
        for path in folder.iterdir():
            with suppress(OSError):
                yield path.stat().st_mtime, path


def _read(path: Path) -> Note | None:
    try:
        return Note.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError, ValidationError):
        return None
