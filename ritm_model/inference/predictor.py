"""From clicks to masks: state in, state out.

Shapes: B batch (1, or 2 with the mirror image), H x W the image, h x w the network's view.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from PIL.Image import Image as PillowImage

from ritm_model.clicks import Click
from ritm_model.inference.engines.batching import run_together
from ritm_model.inference.engines.resident import resident_images
from ritm_model.inference.engines.torch_engine import Engine
from ritm_model.inference.geometry import Box, Roi, mask_roi, whole
from ritm_model.inference.merge import clicked_change, overlaid
from ritm_model.inference.options import PredictorOptions
from ritm_model.inference.prompts import Picture, PromptError, clicks_of, mask_of, pixels_of
from ritm_model.inference.resampling import Floats
from ritm_model.inference.soft_map import SoftMap
from ritm_model.inference.state import Image, Prediction, State
from ritm_model.inference.strokes import (
    Lasso,
    Region,
    Stroke,
    drawn_around,
    region_clicks,
    stroke_clicks,
    with_strokes,
)
from ritm_model.inference.timing import Timings
from ritm_model.inference.view import View, view_of

PredictorT = TypeVar("PredictorT", bound="Predictor")


class Predictor:
    """Answers clicks. Holds no state of its own, so threads and annotators share one freely."""

    def __init__(self, engine: Engine, options: PredictorOptions | None = None) -> None:
        self.engine = engine
        self.options = options or PredictorOptions.serving()

    def start(
        self,
        image: Picture,
        mask: npt.NDArray[Any] | None = None,
        region: Region | None = None,
        *,
        keep_mask: bool = True,
    ) -> State:
        """Look at an image before the first click.

        Args:
            image: H x W x 3 uint8 RGB, upright, or a Pillow image, which is turned upright. An array is
                shared, not copied: do not write to it afterwards.
            mask: H x W bool, integers (the object is what is above 0), or float probabilities in [0, 1]; to
                refine. It takes the place of the previous prediction, so the first click is answered where
                the mask is, and corrects it.
            region: a box or a lasso around the object. ZoomIn treats it as the object's extent until there is
                a prediction, so the first click is answered inside it and a little around. Without a mask,
                a lasso is also shown to the network, filled, as a first guess at it.
            keep_mask: whether the mask stays where no click is about it, if the options merge answers.
                Otherwise it is a first guess, and the answer to a click may change all of it.

        Raises:
            PromptError: the image is of another kind, the mask of another kind or size, or the region lies
                beside the image.
        """
        state = self._first(pixels_of(image))
        if region is not None:
            roi, guess = drawn_around(region, state.frame)
            state = replace(state, region=roi, guess=guess if mask is None else None)
        if mask is None:
            return state
        given_HW = mask_of(mask, state.frame)
        roi = mask_roi(given_HW > 0) or Roi(0, 0, 0, 0)
        started = self._refining(state, SoftMap(given_HW[roi.slices].copy(), roi, state.frame))
        return started if keep_mask else replace(started, from_mask=False)

    def click(self, state: State, click: Click, timings: Timings | None = None) -> State:
        """Answer one more click with one run of the network.

        Args:
            state: what was there before.
            click: in pixels of the image.
            timings: receives the milliseconds of the stages "crop", "network" and "paste".
        """
        return self.click_together(state, (click,), timings)

    def click_together(self, state: State, clicks: Sequence[Click], timings: Timings | None = None) -> State:
        """Answer several clicks, at least one, with a single run of the network.

        It sees all of them at once, but none of the masks that it would have answered in between, so the mask
        is not quite that of `replay`.

        Args:
            state: what was there before.
            clicks: in the order in which they were made.
            timings: as for `click`.
        """
        timings = timings or Timings()
        after = self._answer(state, (*state.clicks, *clicks), timings)
        with timings.stage("paste"):
            return self._merged(state, after, clicks)

    def predict(
        self,
        image: Picture,
        points_N2: npt.ArrayLike,
        labels_N: npt.ArrayLike,
        mask: npt.NDArray[Any] | None = None,
        box: Box | None = None,
        strokes: Sequence[Stroke] = (),
        lasso: npt.ArrayLike | None = None,
    ) -> State:
        """Answer strokes, each as a few clicks on it, and points, one after the other, as clicks are.

        Args:
            image: see `start`.
            points_N2: N x 2 numbers (x, y) in pixels of the image, in the order in which they count.
            labels_N: N numbers, 1 (or True) for a point on the object, 0 for one on the background.
            mask: to refine; see `start`. Alone it is given back as it is.
            box: around the object, as the region of `start`. Without a point or stroke on the object the
                centre of what lies on the image is the first click.
            strokes: drawn over the object or the background; their clicks come before the points. Into a
                mask they are painted first.
            lasso: in the place of a box: N x 2 numbers (x, y), a line around the object, a little outside.
                Without a point or stroke on the object, clicks spread inside it are the first.

        Raises:
            PromptError: nothing to go by, or something that cannot be used; one sentence says what.
        """
        clicks = clicks_of(points_N2, labels_N)
        if box is not None and lasso is not None:
            raise PromptError("Give a box or a lasso, not both.")
        region = box if lasso is None else Lasso.of(lasso)
        if not clicks and not strokes and region is None and mask is None:
            raise PromptError("Give at least one point, stroke, box, lasso or mask.")
        state = self.start(image, mask, region)
        if mask is not None and strokes:
            painted_HW = with_strokes(mask_of(mask, state.frame), strokes)
            state = self.start(state.image, painted_HW, region)
        of_strokes = [click for stroke in strokes for click in stroke_clicks(stroke, state.frame)]
        clicks = (*of_strokes, *clicks)
        if region is not None:
            clicks = region_clicks(region, clicks, state.frame)
        return self.replay(state, clicks)

    def predict_batch(
        self,
        images: Picture | Sequence[Picture],
        points: Sequence[npt.ArrayLike],
        labels: Sequence[npt.ArrayLike],
        masks: Sequence[npt.NDArray[Any] | None] | None = None,
        boxes: Sequence[Box | None] | None = None,
        strokes: Sequence[Sequence[Stroke]] | None = None,
        lassos: Sequence[npt.ArrayLike | None] | None = None,
        *,
        at_once: int = 8,
    ) -> list[State]:
        """Answer the points of many objects, which share runs of the network.

        Views of the same size run together: those of the first click on one image, and all with a fixed
        `ZoomIn.target_size`. The answers differ from those of `predict` by rounding.

        Args:
            images: one image with all the objects, or one for each object.
            points: for each object what `predict` takes.
            labels: for each object what `predict` takes.
            masks: for each object a mask or None; None for no masks.
            boxes: for each object a box or None; None for no boxes.
            strokes: for each object its strokes; None for no strokes.
            lassos: for each object a lasso or None; None for no lassos.
            at_once: objects in one run of the network, at most.

        Returns:
            The states in the order of the objects.

        Raises:
            PromptError: as `predict`, or the sequences are not equally long.
        """
        count = len(points)
        if isinstance(images, PillowImage) or (isinstance(images, np.ndarray) and images.ndim == 3):
            images = [pixels_of(images)] * count
        masks = [None] * count if masks is None else masks
        boxes = [None] * count if boxes is None else boxes
        strokes = [()] * count if strokes is None else strokes
        lassos = [None] * count if lassos is None else lassos
        if {len(each) for each in (images, labels, masks, boxes, strokes, lassos)} != {count}:
            raise PromptError(
                "There have to be as many images, labels, masks, boxes, strokes and lassos as points."
            )
        objects = list(zip(images, points, labels, masks, boxes, strokes, lassos, strict=True))
        return run_together(self.engine, lambda engine: self.with_engine(engine).predict, objects, at_once)

    def with_engine(self: PredictorT, engine: Engine) -> PredictorT:
        """The same predictor on another engine."""
        other = copy(self)
        other.engine = engine
        return other

    def with_options(self: PredictorT, options: PredictorOptions) -> PredictorT:
        """The same predictor with other options. It goes on with states of this one.

        Args:
            options: in place of this one's.
        """
        other = copy(self)
        other.options = options
        return other

    def replay(self, state: State, clicks: Iterable[Click]) -> State:
        """Answer several clicks one after the other."""
        for click in clicks:
            state = self.click(state, click)
        return state

    def warm_up(self) -> None:
        """Answer clicks on a small black image, at every size of view, so that nobody waits later."""
        zoom_in = self.options.zoom_in
        count = zoom_in.late_click if zoom_in and zoom_in.late_size else 2
        clicks = [Click(32, 32), *(Click(4, 4 + 2 * number, False) for number in range(count - 1))]
        self.replay(self.start(np.zeros((64, 64, 3), np.uint8)), clicks)

    def _first(self, image_HW3: Image) -> State:
        return State(image_HW3)

    def _refining(self, state: State, given: SoftMap) -> State:
        """Start from a mask: it is what the network has answered so far."""
        prediction = self._prediction(given)
        return replace(state, prediction=prediction, from_mask=prediction.mask_roi is not None)

    def _answer(self, state: State, clicks: tuple[Click, ...], timings: Timings) -> State:
        previous = state.prediction.soft if state.prediction else state.guess
        return self._pass(state, clicks, previous, timings)

    def _merged(self, state: State, after: State, clicks: Sequence[Click]) -> State:
        """Keep what the newest clicks are not about as it was in `state`."""
        merge = self.options.merge
        before, now = state.prediction, after.prediction
        if merge is None or before is None or before.mask_roi is None:
            return after
        assert now is not None
        if not merge.applies(len(after.clicks), from_mask=after.from_mask):
            return after
        change = clicked_change(before, now, clicks)
        return after if change is None else replace(after, prediction=overlaid(before, now, change))

    def _pass(
        self, state: State, clicks: tuple[Click, ...], previous: SoftMap | None, timings: Timings
    ) -> State:
        """Choose the crop, run the network on it and put the answer where the crop is."""
        with timings.stage("crop"):
            roi = self._next_roi(state, clicks)
            view = view_of(
                state,
                clicks,
                roi,
                previous,
                self.options,
                with_prev_mask=self.engine.with_prev_mask,
                images=resident_images(self.engine),
            )
        with timings.stage("network"):
            logits_B1hw, state = self._run(state, view)
            probability_hw = self._probability(logits_B1hw)
        with timings.stage("paste"):
            roi = self._answered_roi(state, roi)
            soft = SoftMap(probability_hw, roi or whole(state.frame), state.frame)
            return replace(state, clicks=clicks, prediction=self._prediction(soft), roi=roi, guess=None)

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
        logits_B1hw = logits_B1hw.float()
        if self.options.with_flip:
            logits_B1hw = 0.5 * (logits_B1hw[:1] + logits_B1hw[1:].flip(3))
        probability_hw: Floats = torch.sigmoid(logits_B1hw)[0, 0].contiguous().cpu().numpy()
        return probability_hw

    def _prediction(self, soft: SoftMap) -> Prediction:
        zoom_in = self.options.zoom_in
        threshold = self.options.threshold
        return Prediction.of(
            soft,
            threshold=threshold,
            object_threshold=zoom_in.prob_thresh if zoom_in else threshold,
        )
