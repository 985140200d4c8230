"""Whose work counts, of several annotations of one task.

newest        the newest; one that is marked as ground truth comes first
ground_truth  the newest of those that are marked as ground truth
reviewed      the newest of those that a review has accepted, where the export says so
union         the newest of each annotator together; objects that overlap count once
users         the newest of the users who are named
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ritm_model.errors import RitmError

RULES = ("newest", "ground_truth", "reviewed", "union")
PREDICTIONS, OLDER = "predictions of a model", "older than another of their task"
_REASONS = {
    "ground_truth": "not marked as ground truth",
    "reviewed": "not accepted by a review, or of an export that says nothing of reviews",
    "users": "of other users",
}
CHOSEN = frozenset({PREDICTIONS, OLDER, *_REASONS.values()})
"""Why annotations are not used that another setting would use."""


class WhoseError(RitmError):
    """The setting names no rule and no users."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What decides whether an annotation counts. The attributes are those of `label_studio.Annotation`."""

    row: int
    id: str
    task: str
    when: str
    number: int
    authors: tuple[str, ...]
    ground_truth: bool
    reviewed: bool | None
    prediction: bool


@dataclass(frozen=True, slots=True)
class Whose:
    """A rule, and the users it names."""

    rule: str = "newest"
    users: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Whose:
        """Read "newest", "ground_truth", "reviewed", "union", or users separated by commas.

        Users are named by id, e-mail address, user name, or first and last name.

        Raises:
            WhoseError: it names nobody.
        """
        rule = text.strip().casefold().replace("-", "_")
        if rule in RULES:
            return cls(rule)
        users = frozenset(name.strip().casefold() for name in text.split(",") if name.strip())
        if not users:
            raise WhoseError(f"Whose work counts is {', '.join(RULES)}, or users separated by commas.")
        return cls("users", users)

    def choose(self, entries: Sequence[Entry], unused: Counter[str], *, predictions: bool) -> list[Entry]:
        """The annotations of one task that count, the newest first.

        Args:
            entries: of one task.
            unused: hears how many others there are, by reason.
            predictions: whether the newest prediction counts where there is no annotation.
        """
        drawn = [entry for entry in entries if not entry.prediction]
        guessed = [entry for entry in entries if entry.prediction]
        if guessed and (drawn or not predictions):
            unused[PREDICTIONS] += len(guessed)
        fitting = [entry for entry in drawn if self._fits(entry)] if drawn else guessed * predictions
        if len(fitting) < len(drawn):
            unused[self._reason] += len(drawn) - len(fitting)
        ranked = sorted(fitting, key=self._rank, reverse=True)
        if self.rule == "union":
            of_author: dict[tuple[str, ...], Entry] = {}
            for entry in ranked:
                of_author.setdefault(entry.authors or (entry.id,), entry)
            chosen = list(of_author.values())
        else:
            chosen = ranked[:1]
        if older := len(ranked) - len(chosen):
            unused[OLDER] += older
        return chosen

    def _fits(self, entry: Entry) -> bool:
        match self.rule:
            case "ground_truth":
                return entry.ground_truth
            case "reviewed":
                return entry.reviewed is True
            case "users":
                return not self.users.isdisjoint(entry.authors)
        return True

    def _rank(self, entry: Entry) -> tuple[bool, str, int]:
        return entry.ground_truth and self.rule == "newest", entry.when, entry.number

    @property
    def _reason(self) -> str:
        return _REASONS.get(self.rule, "")


NEWEST = Whose()
