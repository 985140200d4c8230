"""What is wrong with a data set, file by file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ritm_model.errors import RitmError


class DatasetError(RitmError):
    """A data set that cannot be used: unknown, not in its place, empty, or not laid out as it should be."""


class ConversionError(RitmError):
    """Nothing to convert, or nowhere to write to; the sentence names what and where."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is left out.

    Attributes:
        file: where it is.
        reason: a sentence that says why.
        by_rule: nothing is broken; the rules of the data set leave such things out.
    """

    file: str
    reason: str
    by_rule: bool = False

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


class BrokenFileError(DatasetError):
    """A file that cannot be used. `problem` says which and why."""

    def __init__(self, file: Path | str, reason: str) -> None:
        self.problem = Problem(str(file), reason)
        super().__init__(str(self.problem))

    def __reduce__(self) -> tuple[type[BrokenFileError], tuple[str, str]]:
        return type(self), (self.problem.file, self.problem.reason)
