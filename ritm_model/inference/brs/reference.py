"""The paper's BRS with its known defects, to compare with the paper's numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ritm_model.inference.brs.predictor import BRSPredictor, BRSState
from ritm_model.inference.reference import ReferencePredictor, ReferenceState
from ritm_model.inference.state import Image, State


@dataclass(frozen=True, eq=False)
class ReferenceBRSState(BRSState, ReferenceState):
    """What both need to know."""


class ReferenceBRSPredictor(BRSPredictor, ReferencePredictor):
    """Searches as `BRSPredictor` does, looks at images as `ReferencePredictor` does.

    Clicks beside or at the border of the view are drawn as the paper's code draws them; see `click_masks`.
    """

    wraps_clicks: ClassVar[bool] = True

    def _first(self, image_HW3: Image) -> State:
        return ReferenceBRSState(image_HW3)
