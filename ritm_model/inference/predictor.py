"""From clicks to masks: state in, state out.

Shapes: B batch (1, or 2 with the mirror image), H x W the image, h x w the network's view.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from ritm_model.clicks import Click
from ritm_model.errors import RitmError
from ritm_model.inference.engines.torch_engine import Engine
from ritm_model.inference.geometry import Box, Roi, box_roi, mask_roi, whole
from ritm_model.inference.merge import clicked_change, overlaid
from ritm_model.inference.options import PredictorOptions
from ritm_model.inference.resampling import Floats
from ritm_model.inference.soft_map import SoftMap
from ritm_model.inference.state import Image, Prediction, State
from ritm_model.inference.timing import Timings
from ritm_model.inference.view import View, view_of

PredictorT = TypeVar("PredictorT", bound="Predictor")


class PromptError(RitmError):
    """A mask or region that does not fit the image."""


class Predictor:
    """Answers clicks. Holds no state of its own, so threads and annotators share one freely."""

    def __init__(self, engine: Engine, options: PredictorOptions | None = None) -> None:
        self.engine = engine
        self.options = options or PredictorOptions.serving()

    def start(
        self, image_HW3: Image, mask: npt.NDArray[Any] | None = None, region: Box | None = None
    ) -> State:
        """Look at an image before the first click.

        Args:
            image_HW3: uint8 RGB, upright. It is shared, not copied: do not write to it afterwards.
            mask: H x W bool, or float in [0, 1], to refine. It takes the place of the previous
                prediction, so the first click is answered where the mask is, and corrects it.
            region: bounding box of the object. ZoomIn treats it as the object's extent until there is a
                prediction, so the first click is answered inside it and a little around. Without ZoomIn
                it has no effect.

        Raises:
            PromptError: the mask has another size than the image, or the region lies beside it.
        """
        if image_HW3.dtype != np.uint8 or image_HW3.ndim != 3 or image_HW3.shape[2] != 3:
            raise ValueError(f"Expected an H x W x 3 uint8 image, got {image_HW3.dtype} {image_HW3.shape}.")
        state = self._first(image_HW3)
        if region is not None:
            roi = box_roi(region, state.frame)
            if roi is None:
                raise PromptError(f"The region {region} lies outside the {_named(state.frame)} image.")
            state = replace(state, region=roi)
        return state if mask is None else self._with_mask(state, mask)

    def click(self, state: State, click: Click, timings: Timings | None = None) -> State:
        """Answer one more click with one run of the network.

        Args:
            state: what was there before.
            click: in pixels of the image.
            timings: receives the milliseconds of the stages "crop", "network" and "paste".
        """
        timings = timings or Timings()
        after = self._answer(state, (*state.clicks, click), timings)
        with timings.stage("paste"):
            return self._merged(state, after)

    def with_engine(self: PredictorT, engine: Engine) -> PredictorT:
        """The same predictor on another engine."""
        other = copy(self)
        other.engine = engine
        return other

    def replay(self, state: State, clicks: Iterable[Click]) -> State:
        """Answer several clicks one after the other."""
        for click in clicks:
            state = self.click(state, click)
        return state

    def warm_up(self) -> None:
        """Answer two clicks on a small black image, so that the first annotator does not wait."""
        self.replay(self.start(np.zeros((64, 64, 3), np.uint8)), (Click(32, 32), Click(4, 4, False)))

    def _first(self, image_HW3: Image) -> State:
        return State(image_HW3)

    def _with_mask(self, state: State, mask_HW: npt.NDArray[Any]) -> State:
        if mask_HW.shape != state.frame:
            raise PromptError(
                f"The mask is {_named(mask_HW.shape)}, the image {_named(state.frame)} pixels large."
            )
        roi = mask_roi(mask_HW > 0) or Roi(0, 0, 0, 0)
        return self._refining(state, SoftMap(mask_HW[roi.slices].copy(), roi, state.frame))

    def _refining(self, state: State, given: SoftMap) -> State:
        """Start from a mask: it is what the network has answered so far."""
        prediction = self._prediction(given)
        return replace(state, prediction=prediction, from_mask=prediction.mask_roi is not None)

    def _answer(self, state: State, clicks: tuple[Click, ...], timings: Timings) -> State:
        previous = state.prediction.soft if state.prediction else None
        return self._pass(state, clicks, previous, timings)

    def _merged(self, state: State, after: State) -> State:
        """Keep what the last click is not about as it was in `state`."""
        merge = self.options.merge
        before, now = state.prediction, after.prediction
        if merge is None or before is None or before.mask_roi is None:
            return after
        assert now is not None
        if not merge.applies(len(after.clicks), from_mask=after.from_mask):
            return after
        change = clicked_change(before, now, after.clicks[-1])
        return after if change is None else replace(after, prediction=overlaid(before, now, change))

    def _pass(
        self, state: State, clicks: tuple[Click, ...], previous: SoftMap | None, timings: Timings
    ) -> State:
        """Choose the crop, run the network on it and put the answer where the crop is."""
        with timings.stage("crop"):
            roi = self._next_roi(state, clicks)
            view = view_of(
                state, clicks, roi, previous, self.options, with_prev_mask=self.engine.with_prev_mask
            )
        with timings.stage("network"):
            logits_B1hw, state = self._run(state, view)
            probability_hw = self._probability(logits_B1hw)
        with timings.stage("paste"):
            roi = self._answered_roi(state, roi)
            soft = SoftMap(probability_hw, roi or whole(state.frame), state.frame)
            return replace(state, clicks=clicks, prediction=self._prediction(soft), roi=roi)

    def _next_roi(self, state: State, clicks: tuple[Click, ...]) -> Roi | None:
        if self.options.zoom_in is None:
            return None
        return self.options.zoom_in.next_roi(
            state.frame,
            clicks,
            object_roi=state.prediction.object_roi if state.prediction else None,
            roi=state.roi,
            region=state.region,
        )

    def _answered_roi(self, state: State, roi: Roi | None) -> Roi | None:  # noqa: ARG002  (see ReferencePredictor)
        """Where the answer belongs: the crop that was shown, None for the whole image."""
        return roi

    def _run(self, state: State, view: View) -> tuple[torch.Tensor, State]:
        """Answer what is in view; the state comes back with what the next answer has to know of this one."""
        return self.engine.run(view.image_BCHW, view.points_BP3), state

    def _probability(self, logits_B1hw: torch.Tensor) -> Floats:
        logits_B1hw = logits_B1hw.float().cpu()
        if self.options.with_flip:
            logits_B1hw = 0.5 * (logits_B1hw[:1] + logits_B1hw[1:].flip(3))
        probability_hw: Floats = torch.sigmoid(logits_B1hw)[0, 0].contiguous().numpy()
        return probability_hw

    def _prediction(self, soft: SoftMap) -> Prediction:
        zoom_in = self.options.zoom_in
        threshold = self.options.threshold
        return Prediction.of(
            soft,
            threshold=threshold,
            object_threshold=zoom_in.prob_thresh if zoom_in else threshold,
        )


def _named(size: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in reversed(size))
