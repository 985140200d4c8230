"""What a predictor shows to its network and takes of the answers; two named profiles."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ritm_model.inference.merge import ProgressiveMerge
from ritm_model.inference.zoom_in import ZoomIn
from ritm_model.networks import Viewing

LEAST_CROP = 0.4
"""Of the longer side of a photograph: what 200 pixels are of the photographs that networks learn from."""


@dataclass(frozen=True, slots=True)
class PredictorOptions:
    """Options of `Predictor`.

    Attributes:
        zoom_in: None answers every click on the whole image.
        with_flip: average the logits of the image and of its mirror image; twice the work.
        max_size: the network sees no side longer than this; None for no limit.
        net_clicks_limit: only that many first clicks reach the network; None for all.
        threshold: pixels above this probability form the mask.
        antialias: shrink photographs by means of all their pixels, as training does; otherwise by samples.
        merge: keep what a click is not about; None takes each answer as it is.
    """

    zoom_in: ZoomIn | None = field(default_factory=ZoomIn)
    with_flip: bool = True
    max_size: int | None = None
    net_clicks_limit: int | None = None
    threshold: float = 0.49
    antialias: bool = False
    merge: ProgressiveMerge | None = None

    @classmethod
    def paper(cls) -> PredictorOptions:
        """What the paper's numbers were measured with, by a `ReferencePredictor`."""
        return cls()

    @classmethod
    def serving(cls, viewing: Viewing | None = None) -> PredictorOptions:
        """For annotators who wait for the answer: bounded work from the first click on.

        A mask that was given is corrected where they click and nowhere else. Large photographs are shown
        as small ones are, whatever their pixels. docs/quality.md has the figures.

        Args:
            viewing: what suits the network, its `InteractiveModel.viewing`; None for what suits most.
        """
        viewing = viewing or Viewing()
        zoom_in = ZoomIn(
            skip_clicks=-1,
            target_size=viewing.size,
            first_size=viewing.first_size,
            late_size=viewing.late_size,
            late_click=viewing.late_click,
            side_step=viewing.side_step,
            min_crop_share=LEAST_CROP,
        )
        return cls(zoom_in=zoom_in, with_flip=viewing.with_flip, antialias=True, merge=ProgressiveMerge())

    def light(self) -> PredictorOptions:
        """The same without what gives least for its time: mirror images, and views larger than the first."""
        zoom_in = self.zoom_in
        if zoom_in:
            size = zoom_in.first_size or zoom_in.target_size
            zoom_in = replace(zoom_in, target_size=size, late_size=None)
        return replace(self, zoom_in=zoom_in, with_flip=False)
