"""A predictor that makes the network agree with all clicks so far.

Shapes: B batch, h x w the network's view.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ritm_model.inference.brs.adaptations import Adaptation
from ritm_model.inference.brs.disagreement import ClickMasks, click_masks
from ritm_model.inference.brs.feature_points import Features
from ritm_model.inference.brs.optimise import EVALUATIONS, Params, Search, l_bfgs, minimise
from ritm_model.inference.engines.torch_engine import Engine
from ritm_model.inference.geometry import Roi
from ritm_model.inference.options import PredictorOptions
from ritm_model.inference.predictor import Predictor
from ritm_model.inference.state import Image, State
from ritm_model.inference.view import View

FREE_CLICKS = 1
"""The answers to so many first clicks are left as they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """What one answer leaves to the next.

    Attributes:
        roi: where the network looked.
        params: parameters of the adaptation, where the search ended.
        prepared: features that the next clicks will find again, because the network will not be told of
            them; None while it will.
        is_cut_short: whether the search had to end before it had found what it can.
    """

    roi: Roi | None
    params: Params
    prepared: Features | None
    is_cut_short: bool = False


@dataclass(frozen=True, eq=False)
class BRSState(State):
    """A state that also knows what was changed in the network.

    Attributes:
        adapted: None before the first click.
    """

    adapted: Adapted | None = None

    @property
    def nbytes(self) -> int:
        if self.adapted is None:
            return super().nbytes
        return (
            super().nbytes + self.adapted.params.nbytes + sum(x.nbytes for x in self.adapted.prepared or ())
        )


class BRSPredictor(Predictor):
    """Answers clicks as `Predictor` does, but changes the network's answer until it agrees with them.

    From the second click on, the parameters of an adaptation are searched with L-BFGS, from where the search
    for the click before has ended. What is searched belongs to the state, so an older state still undoes
    clicks, and threads share a predictor.
    """

    wraps_clicks: ClassVar[bool] = False

    def __init__(
        self,
        engine: Engine,
        adaptation: Adaptation,
        options: PredictorOptions,
        *,
        evaluations: int = EVALUATIONS,
        seconds: float | None = None,
    ) -> None:
        """Make a predictor.

        Args:
            engine: of the network that is adapted.
            adaptation: what may change in it.
            options: what the network is shown. It does not see clicks beyond `net_clicks_limit`, but
                its answer is still made to agree with them.
            evaluations: of the network for one answer, at most, 1 or more. (L-BFGS overruns it when it is
                in the middle of a step.)
            seconds: for the search for one answer, at most, and a run of the network; None for no limit.

        Raises:
            BRSError: SciPy is not installed.
        """
        l_bfgs()
        super().__init__(engine, options)
        self._adaptation = adaptation
        self._evaluations = evaluations
        self._seconds = seconds

    def _first(self, image_HW3: Image) -> State:
        return BRSState(image_HW3)

    def _run(self, state: State, view: View) -> tuple[Tensor, State]:
        assert isinstance(state, BRSState)
        adaptation, last = self._adaptation, state.adapted
        clicks = view.clicks[0]
        is_cut_short = False
        moved = last is None or last.roi != view.roi
        with torch.no_grad():
            prepared = None if last is None or moved else last.prepared
            if prepared is None:
                prepared = adaptation.prepare(view.image_BCHW, view.points_BP3)
            params = np.zeros(adaptation.count(prepared))
            if last is not None and (adaptation.outlives_crop or not moved):
                params = last.params

            def answer(variables: Tensor) -> tuple[Tensor, Tensor]:
                return adaptation.answer(prepared, variables, view.size)

            if len(clicks) > FREE_CLICKS:
                masks = click_masks(view.clicks, view.size, wrap=self.wraps_clicks)
                search = Search(
                    answer,
                    ClickMasks(*(map_.to(prepared[0].device) for map_ in masks)),
                    self.options.threshold,
                    self._clock(),
                )
                params = minimise(search, params, self._evaluations)
                assert search.best_logits_B1HW is not None
                logits_B1hw, is_cut_short = search.best_logits_B1HW, search.is_cut_short
            else:
                logits_B1hw, _ = answer(torch.from_numpy(params).float().to(prepared[0].device))
        limit = self.options.net_clicks_limit
        kept = prepared if adaptation.outlives_crop and limit is not None and len(clicks) >= limit else None
        return logits_B1hw, replace(state, adapted=Adapted(view.roi, params, kept, is_cut_short))

    def _clock(self) -> Callable[[], bool]:
        """Tells when the time of a search that begins now is over."""
        if self._seconds is None:
            return lambda: False
        latest = monotonic() + self._seconds
        return lambda: monotonic() >= latest
