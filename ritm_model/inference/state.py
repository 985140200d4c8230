"""What is known after some clicks, as a value that nothing changes.

Shapes: H x W the image, h x w the network's view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ritm_model.clicks import Click
from ritm_model.inference.geometry import Roi, Size, clamp, mask_roi
from ritm_model.inference.resampling import Floats
from ritm_model.inference.soft_map import SoftMap

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """One answer of the network and what follows from it.

    Attributes:
        soft: the probabilities.
        object_roi: bounding box of the object, by the threshold of ZoomIn.
        mask_roi: bounding box of the mask, by the threshold of the predictor.
        mask_inside: the mask inside `mask_roi`.
        score: mean probability over the mask, on the grid of `soft`.
    """

    soft: SoftMap
    object_roi: Roi | None
    mask_roi: Roi | None
    mask_inside: Mask
    score: float

    @classmethod
    def of(cls, soft: SoftMap, *, threshold: float, object_threshold: float) -> Prediction:
        reach = soft.reach(min(threshold, object_threshold))
        if reach is None:
            return cls(soft, None, None, np.zeros((0, 0), np.bool_), 0.0)
        mask, found = np.empty((2, *reach.size), np.bool_)
        for rows, probability in soft.bands(reach):
            np.greater(probability, threshold, out=mask[rows])
            np.greater(probability, object_threshold, out=found[rows])
        marked = cls.marked(soft, mask, reach, _mean_above(soft, threshold))
        object_box = mask_roi(found)
        return replace(marked, object_roi=object_box.moved(reach) if object_box else None)

    @classmethod
    def marked(cls, soft: SoftMap, mask: Mask, box: Roi, score: float) -> Prediction:
        """An answer whose mask, given inside `box`, does not follow from the probabilities alone."""
        within = mask_roi(mask)
        if within is None:
            return cls(soft, None, None, np.zeros((0, 0), np.bool_), 0.0)
        placed = within.moved(box)
        return cls(soft, placed, placed, mask[within.slices].copy(), min(score, 1.0))

    def mask_in(self, box: Roi) -> Mask:
        """The mask inside a box. A new array each time."""
        mask = np.zeros(box.size, np.bool_)
        if self.mask_roi:
            shared = clamp(self.mask_roi, box)
            if min(shared.size) > 0:
                mask[shared.within(box)] = self.mask_inside[shared.within(self.mask_roi)]
        return mask


def _mean_above(soft: SoftMap, threshold: float) -> float:
    """On the network's grid, which says the same as all pixels of a photograph in a hundredth of the time."""
    above = soft.values_hw[soft.values_hw > threshold]
    return float(above.mean(dtype=np.float64)) if above.size else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """An image, the clicks on it and the answer so far. Made by `Predictor`, never changed.

    To undo a click, go on with the state before it.

    Attributes:
        image: H x W x 3 uint8 RGB; shared by all states of the image.
        clicks: in the order in which they were made.
        prediction: the last answer, or the mask that was given at the start; None before both.
        roi: where the network looked last; None if it saw the whole image at its own resolution.
        region: bounding box of the object as drawn by the annotator.
        from_mask: whether a mask with something in it was given at the start, to be kept but for corrections.
        guess: what the network is shown as its previous mask before the first click, and nobody else: the
            lasso that was drawn around the object, filled.
    """

    image: Image
    clicks: tuple[Click, ...] = ()
    prediction: Prediction | None = None
    roi: Roi | None = None
    region: Roi | None = None
    from_mask: bool = False
    guess: SoftMap | None = None

    @property
    def frame(self) -> Size:
        """(height, width) of the image."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def mask(self) -> Mask:
        """H x W bool: the pixels whose probability exceeds the threshold. A new array each time.

        After a merge that holds but for the outlines, where the probabilities are the coarser of the two.
        """
        mask_HW = np.zeros(self.frame, np.bool_)
        if self.prediction and self.prediction.mask_roi:
            mask_HW[self.prediction.mask_roi.slices] = self.prediction.mask_inside
        return mask_HW

    @property
    def probability(self) -> Floats:
        """H x W float32 in [0, 1], zero outside `roi`. A new array each time."""
        return self.prediction.soft.full() if self.prediction else np.zeros(self.frame, np.float32)

    @property
    def score(self) -> float:
        """Confidence in [0, 1]: the mean probability over the pixels of the mask, 0 for an empty mask.

        Values near 1 mean that the network is sure of what it has marked; it does not know what it
        has missed.
        """
        return self.prediction.score if self.prediction else 0.0

    @property
    def nbytes(self) -> int:
        """Memory held beside the image."""
        if self.prediction is None:
            return 0
        return self.prediction.soft.values_hw.nbytes + self.prediction.mask_inside.nbytes
