"""Chances of photographs to be drawn, from how well a model segments them already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ritm_model.datasets.files import read_json
from ritm_model.datasets.readers.plain_pickle import read_pickle
from ritm_model.errors import TrainingError
from ritm_model.learning.photographs import TrainingPhotograph


def chances_of(
    path: Path, gamma: float, photographs: Sequence[TrainingPhotograph]
) -> npt.NDArray[np.float64]:
    """Chances of photographs, the higher the lower their scores are.

    Args:
        path: a list of [number, photograph, score] with scores from 0 to 1: the paper's pickle, or JSON.
        gamma: a photograph is drawn in proportion to (1 - score) ** gamma.
        photographs: to draw from; each must have a score. Endings of names do not count.

    Raises:
        RitmError: the file cannot be read, holds something else, or has no score of a photograph.
    """
    content = read_json(path) if path.suffix == ".json" else read_pickle(path)
    try:
        scores = _scores(content)
    except (TypeError, ValueError):
        raise TrainingError(
            f"{path} does not hold [number, photograph, score] with scores of 0 to 1."
        ) from None
    stems = [Path(photograph.name).stem for photograph in photographs]
    if missing := next((stem for stem in stems if stem not in scores), None):
        raise TrainingError(f"{path} has no score of {missing}.")
    chances = (1 - np.array([scores[stem] for stem in stems])) ** gamma
    if not chances.sum() > 0:
        raise TrainingError(f"{path}: every score is 1, so no photograph would be drawn.")
    evened: npt.NDArray[np.float64] = chances / chances.sum()
    return evened


def _scores(content: object) -> Mapping[str, float]:
    if not isinstance(content, list | tuple):
        raise TypeError
    scores = {Path(str(name)).stem: float(score) for _, name, score in content}
    if not all(0 <= score <= 1 for score in scores.values()):
        raise ValueError
    return scores
