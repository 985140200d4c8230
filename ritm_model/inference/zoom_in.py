"""ZoomIn: from some click on, the network sees the surroundings of the object only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ritm_model.clicks import Click
from ritm_model.inference.geometry import Roi, Size, clamp, expand, roi_iou, whole, with_clicks


@dataclass(frozen=True, slots=True)
class ZoomIn:
    """When to zoom in, and how far.

    Attributes:
        target_size: pixels of the longer side of what the network sees, or its exact (height, width).
        skip_clicks: that many clicks are answered on the whole image at its own resolution, and so are
            further ones while no object is known. -1 shows the whole image at the target size instead.
        expansion_ratio: size of the crop over the size of the object.
        min_crop_size: least height and width of the crop, in pixels of the image.
        min_crop_share: the same, over the longer side of the image, so that crops of large photographs are no
            narrower than those of small ones; the larger of the two counts. Not where the annotator has drawn
            a region.
        first_size: `target_size` of views without a previous mask; None for the same.
        late_size: `target_size` from click `late_click` on, when outlines are left to correct; None for the
            same.
        late_click: the first click that is answered so.
        side_step: views with a previous mask have sides of a multiple of this, or of the whole
            `target_size`: crops are stretched to the nearest one. None keeps the proportions of the crop.
        recompute_thresh_iou: a crop stays as it is until the one that the object asks for overlaps it
            less than this.
        prob_thresh: pixels above it make up the object whose surroundings are shown.
    """

    target_size: int | Size = 400
    skip_clicks: int = 1
    expansion_ratio: float = 1.4
    min_crop_size: int | None = 200
    recompute_thresh_iou: float = 0.5
    prob_thresh: float = 0.50
    min_crop_share: float = 0.0
    first_size: int | None = None
    late_size: int | None = None
    late_click: int = 4
    side_step: int | None = None

    def around(self, object_roi: Roi, frame: Size, *, is_drawn: bool = False) -> Roi:
        """The crop for an object with this bounding box, drawn by the annotator or predicted."""
        least = self.min_crop_size
        if self.min_crop_share and not is_drawn:
            least = max(least or 0, round(self.min_crop_share * max(frame)))
        return clamp(expand(object_roi, self.expansion_ratio, least), whole(frame))

    def next_roi(
        self,
        frame: Size,
        clicks: Sequence[Click],
        *,
        object_roi: Roi | None,
        roi: Roi | None,
        region: Roi | None = None,
    ) -> Roi | None:
        """Where the network looks to answer the last of `clicks`.

        Args:
            frame: (height, width) of the image.
            clicks: all clicks so far, in pixels of the image.
            object_roi: bounding box of the object as predicted before this click.
            roi: the crop of the click before.
            region: bounding box that the annotator drew around the object.

        Returns:
            The crop, or None for the whole image at its own resolution.
        """
        known = object_roi or region
        if region is None and len(clicks) <= self.skip_clicks:
            return None
        if known is None and self.skip_clicks >= 0:
            return None
        wanted = whole(frame)
        if known:
            wanted = self.around(with_clicks(known, clicks, frame), frame, is_drawn=region is not None)
        if roi is None or roi_iou(wanted, roi) < self.recompute_thresh_iou:
            return wanted
        return roi if all(roi.holds(click) for click in clicks if click.is_positive) else wanted

    def input_size(self, roi: Roi, *, clicks: int = 1, has_mask: bool = True) -> Size:
        """(height, width) at which the network sees the crop; small crops are enlarged.

        Args:
            roi: the crop.
            clicks: how many there are, with the one to answer.
            has_mask: whether there is a previous mask.
        """
        target = self.target_size
        if not has_mask and self.first_size is not None:
            target = self.first_size
        elif clicks >= self.late_click and self.late_size is not None:
            target = self.late_size
        if isinstance(target, tuple):
            return target
        height, width = scaled(roi.size, target / max(roi.size))
        if self.side_step is None or not has_mask:
            return height, width
        return stepped(height, self.side_step, target), stepped(width, self.side_step, target)


def stepped(side: int, step: int, longest: int) -> int:
    """The multiple of `step`, or `longest`, that is nearest to a side of at most `longest` pixels."""
    lower = min(max(side // step, 1) * step, longest)
    upper = min(lower + step, longest)
    return lower if side - lower <= upper - side else upper


def scaled(size: Size, factor: float) -> Size:
    """Both sides times `factor`, rounded, at least one pixel."""
    return max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)
