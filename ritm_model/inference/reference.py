"""The paper's predictor with its known defects, to compare with the paper's numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ritm_model.clicks import Click
from ritm_model.inference.geometry import Roi, Size, roi_iou, whole
from ritm_model.inference.predictor import Predictor
from ritm_model.inference.soft_map import SoftMap
from ritm_model.inference.state import Image, State
from ritm_model.inference.timing import Timings
from ritm_model.inference.zoom_in import ZoomIn


@dataclass(frozen=True, eq=False)
class ReferenceState(State):
    """A state that also holds the mask given at the start.

    Attributes:
        given: shown to the network with every click in place of the previous mask.
    """

    given: SoftMap | None = None

    @property
    def nbytes(self) -> int:
        return super().nbytes + (self.given.values_hw.nbytes if self.given else 0)


class ReferencePredictor(Predictor):
    """Answers clicks as the paper's code does.

    What is different from `Predictor`:

    * An emptied prediction leaves a stale crop behind: the network sees the whole image, and its answer is
      put where the crop before was.
    * A mask given at the start is shown with every click, and the first click is answered twice. It never
      guides ZoomIn.
    * With `ZoomIn.skip_clicks` 0, an object that turns out small on the whole image gets a second zoom-in
      pass.
    """

    def _first(self, image_HW3: Image) -> State:
        return ReferenceState(image_HW3)

    def _refining(self, state: State, given: SoftMap) -> State:
        assert isinstance(state, ReferenceState)
        return replace(state, given=given)

    def _answer(self, state: State, clicks: tuple[Click, ...], timings: Timings) -> State:
        assert isinstance(state, ReferenceState)
        after = self._passes(state, clicks, timings)
        if state.given is not None and not state.clicks:
            after = self._passes(after, clicks, timings)
        return after

    def _passes(self, state: State, clicks: tuple[Click, ...], timings: Timings) -> State:
        assert isinstance(state, ReferenceState)
        previous = state.prediction.soft if state.prediction else None
        after = self._pass(state, clicks, state.given or previous, timings)
        assert after.prediction is not None
        zoom_in = self.options.zoom_in
        if zoom_in and needs_second_pass(zoom_in, state.frame, after.prediction.object_roi, after.roi):
            return self._pass(after, clicks, previous, timings)
        return after

    def _answered_roi(self, state: State, roi: Roi | None) -> Roi | None:
        return roi or state.roi


def needs_second_pass(zoom_in: ZoomIn, frame: Size, object_roi: Roi | None, roi: Roi | None) -> bool:
    """Whether the network, shown the whole image (`roi` None), has found an object much smaller than it."""
    if roi is not None or object_roi is None or zoom_in.skip_clicks > 0:
        return False
    return roi_iou(zoom_in.around(object_roi, frame), whole(frame)) < zoom_in.recompute_thresh_iou
