"""Files that could not be read while samples were drawn, counted up to a limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ritm_model.errors import TrainingError
from ritm_model.learning.recipes import Recipe


@dataclass(frozen=True, slots=True)
class BrokenFiles:
    """What could not be read so far in a run.

    Attributes:
        samples: how many were drawn anew.
        reasons: sentences that name the files, each of them once.
    """

    samples: int = 0
    reasons: tuple[str, ...] = ()

    def with_more(self, reasons: Sequence[str]) -> BrokenFiles:
        """Take in one sentence for each sample that was drawn anew."""
        return BrokenFiles(self.samples + len(reasons), tuple(dict.fromkeys((*self.reasons, *reasons))))

    def check(self, recipe: Recipe) -> None:
        """See that the run may go on.

        Raises:
            TrainingError: these are more samples than the recipe allows.
        """
        if self.samples > recipe.max_broken_samples:
            samples = recipe.steps * recipe.batch_size
            raise TrainingError(
                f"{self.reasons[-1]} With it, {self.samples} of {samples} samples had to be drawn anew, "
                f"and {recipe.max_broken_samples} may be (data.max_broken_share)."
            )
