"""From what is drawn to clicks: networks know clicks and a previous mask.

A stroke is answered as a few clicks on it. What is drawn around an object is where to look and clicks inside;
a lasso is a first guess at the mask, too. `bench/clicks/prompts.py` has measured the ways to do so.

Shapes: H x W the image, N points, 2 = (x, y), K clicks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.clicks import Click
from ritm_model.inference.geometry import Box, Roi, Size, box_roi, mask_roi
from ritm_model.inference.prompts import PromptError, array_of, clipped, mask_of, named
from ritm_model.inference.soft_map import SoftMap
from ritm_model.simulation import squared_depth

MOST_CLICKS = 3
"""On one stroke. Each is a run of the network, and further ones add little (`bench/clicks/strokes.py`)."""

_LENGTH_OF_A_CLICK = 0.05  # of the longer side of the image: a shorter stroke is one click
_BREADTH = 0.004  # of the longer side of the image, of a line that is painted
_MOST_PLACES = 4096  # on a stroke that are looked at
_ROUNDS = 20
_DEEP = 0.8  # of the greatest depth of a part of a mask: there its middle is looked for

_FARTHEST = 1e6  # pixels from the image that a line is followed to
_FRACTION_BITS = 4  # of a pixel, where OpenCV fills

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """A line that was drawn over an object, or over the background.

    Attributes:
        drawn: N x 2 numbers (x, y) in pixels of the upright image, in the order in which they were drawn; or
            what a brush has painted, an H x W mask as `Predictor.start` takes it.
        is_positive: whether it lies on the object.
    """

    drawn: npt.ArrayLike
    is_positive: bool = True


@dataclass(frozen=True, slots=True)
class Lasso:
    """A line around an object, a little outside it; its last point is joined to the first.

    Attributes:
        points: (x, y) in pixels of the upright image, three at least. What lies beside the image is cut off.
    """

    points: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, points_N2: npt.ArrayLike) -> Lasso:
        """A lasso from N x 2 numbers. Raises PromptError for anything else."""
        points = array_of(points_N2, "lasso")
        if points.ndim != 2 or points.shape[1] != 2 or points.dtype.kind not in "biuf" or len(points) < 3:
            raise PromptError(
                f"A lasso has to be N x 2 numbers (x, y), three at least, not {points.dtype} {points.shape}."
            )
        if not np.isfinite(points).all():
            raise PromptError("The points of a lasso have to be finite numbers.")
        return cls(tuple((float(x), float(y)) for x, y in points))

    def mask(self, frame: Size) -> npt.NDArray[np.bool_]:
        """H x W bool: the pixels of an image that it encloses or touches. Raises PromptError for none."""
        inside_HW = np.zeros(frame, np.uint8)
        scale = 1 << _FRACTION_BITS
        # OpenCV counts from the middles of pixels.
        corners_N2 = (np.clip(np.array(self.points), -_FARTHEST, _FARTHEST) - 0.5) * scale
        cv2.fillPoly(inside_HW, [np.rint(corners_N2).astype(np.int32)], 1, shift=_FRACTION_BITS)
        if not inside_HW.any():
            raise PromptError(f"Nothing of the lasso lies on the {named(frame)} image.")
        return inside_HW > 0


Region: TypeAlias = Box | Lasso
"""What an annotator draws around an object."""


def drawn_around(region: Region, frame: Size) -> tuple[Roi, SoftMap | None]:
    """Where to look, and a first guess at the mask: a lasso filled. A box tells too little for one.

    Raises:
        PromptError: it lies beside the image.
    """
    if isinstance(region, Box):
        roi = box_roi(clipped(region, frame), frame)
        assert roi is not None
        return roi, None
    inside_HW = region.mask(frame)
    roi = mask_roi(inside_HW)
    assert roi is not None
    return roi, SoftMap(inside_HW[roi.slices].copy(), roi, frame)


def region_clicks(
    region: Region, clicks: Sequence[Click], frame: Size, *, always: bool = False
) -> tuple[Click, ...]:
    """All clicks on the object that was drawn around: by `Box.leading`, for a lasso clicks spread inside it.

    Raises:
        PromptError: it lies beside the image.
    """
    if isinstance(region, Box):
        return clipped(region, frame).leading(clicks, always=always)
    if not always and any(click.is_positive for click in clicks):
        return tuple(clicks)
    return (*stroke_clicks(Stroke(region.mask(frame)), frame), *clicks)


def stroke_clicks(stroke: Stroke, frame: Size, most: int = MOST_CLICKS) -> tuple[Click, ...]:
    """Turn a stroke into clicks in the middles of its parts, the part in the middle first.

    The same stroke always gives the same clicks. A dot gives one; what lies beside the image is left out.

    Args:
        stroke: on the upright image.
        frame: height and width of the image in pixels.
        most: clicks, at most; one or more.

    Raises:
        PromptError: it is neither points nor a mask of the image, or nothing of it lies on the image.
    """
    drawn = array_of(stroke.drawn, "stroke")
    if drawn.shape == frame:
        places_K2 = _on_mask(mask_of(drawn, frame) > 0.5, most)
    else:
        places_K2 = _on_line(_line_of(drawn, frame), frame, most)
    return tuple(Click(x, y, stroke.is_positive) for x, y in places_K2.tolist())


def with_strokes(mask_HW: npt.NDArray[Any], strokes: Sequence[Stroke]) -> npt.NDArray[Any]:
    """A mask to refine, with strokes painted into it: what was drawn over counts, whatever the network says.

    Lines are painted 0.4 % of the longer side of the image broad.

    Args:
        mask_HW: H x W bool, or float in [0, 1].
        strokes: on the same image.

    Raises:
        PromptError: as `stroke_clicks`.
    """
    painted_HW = mask_HW.copy()
    frame = (mask_HW.shape[0], mask_HW.shape[1])
    for stroke in strokes:
        drawn = array_of(stroke.drawn, "stroke")
        if drawn.shape == frame:
            over_HW = mask_of(drawn, frame) > 0.5
        else:
            line_N12 = np.rint(_line_of(drawn, frame) - 0.5).astype(np.int32)[:, None]
            canvas_HW = np.zeros(frame, np.uint8)
            cv2.polylines(canvas_HW, [line_N12], False, 1, max(round(_BREADTH * max(frame)), 1))
            over_HW = canvas_HW > 0
        painted_HW[over_HW] = stroke.is_positive
    return painted_HW


def _line_of(drawn: npt.NDArray[Any], frame: Size) -> Floats:
    if drawn.ndim != 2 or drawn.shape[1] != 2 or drawn.dtype.kind not in "biuf":
        raise PromptError(
            f"A stroke has to be N x 2 numbers (x, y), or a mask of {named(frame)} pixels, "
            f"not {drawn.dtype} {drawn.shape}."
        )
    if not len(drawn):
        raise _beside(frame)
    if not np.isfinite(drawn).all():
        raise PromptError("The points of a stroke have to be finite numbers.")
    return np.clip(drawn.astype(np.float64), -_FARTHEST, _FARTHEST)


def _on_line(line_N2: Floats, frame: Size, most: int) -> Floats:
    start_2, path_N2 = line_N2[0], line_N2 - line_N2[0]
    reach_N = np.concatenate(([0.0], np.hypot(*np.diff(path_N2, axis=0).T).cumsum()))
    length = float(reach_N[-1])
    places = min(math.ceil(length) + 1, _MOST_PLACES)  # both ends, and at most a pixel from place to place
    along_M = np.linspace(0.0, length, places)
    places_M2 = np.stack([np.interp(along_M, reach_N, xy_N) for xy_N in path_N2.T], axis=1)
    is_inside_M = ((places_M2 + start_2 >= 0) & (places_M2 + start_2 < frame[::-1])).all(axis=1)
    inside_M2 = places_M2[is_inside_M]
    if not len(inside_M2):
        raise _beside(frame)
    count = _clicks_for(length * len(inside_M2) / len(places_M2), frame, most)
    places_K2: Floats = _spread(inside_M2, np.ones(len(inside_M2)), count) + start_2
    return places_K2


def _on_mask(mask_HW: npt.NDArray[np.bool_], most: int) -> Floats:
    roi = mask_roi(mask_HW)
    if roi is None:
        raise _beside(mask_HW.shape)
    inside_hw = mask_HW[roi.slices]
    depth_hw = np.sqrt(squared_depth(inside_hw), dtype=np.float64)
    pixels = np.flatnonzero(inside_hw)
    count = _clicks_for(len(pixels) / (2 * float(depth_hw.max())), mask_HW.shape, most)
    pixels_N = pixels[:: -(-len(pixels) // _MOST_PLACES)]
    y_N, x_N = np.unravel_index(pixels_N, inside_hw.shape)
    places_N2 = np.stack((x_N, y_N), axis=1).astype(np.float64)
    corner_2 = np.array((roi.left + 0.5, roi.top + 0.5))
    places_K2: Floats = _spread(places_N2, depth_hw[y_N, x_N], count) + corner_2
    return places_K2


def _spread(places_N2: Floats, depth_N: Floats, count: int) -> Floats:
    """The middles of so many parts of a stroke, where it is about as broad as in any of their places."""
    middle_2 = places_N2.mean(axis=0)
    part_N = _parts(places_N2, count)
    chosen = []
    for part in np.unique(part_N):
        is_deep_N = depth_N >= _DEEP * depth_N[part_N == part].max()
        deep_M2 = places_N2[(part_N == part) & is_deep_N]
        centre_2 = places_N2[part_N == part].mean(axis=0)
        chosen.append(deep_M2[_squared_distances(deep_M2, centre_2[None]).argmin()])
    places_K2 = np.array(chosen)
    from_middle_K = _squared_distances(places_K2, middle_2[None])[:, 0]
    return np.asarray(places_K2[np.argsort(from_middle_K, kind="stable")])


def _parts(places_N2: Floats, count: int) -> npt.NDArray[np.intp]:
    """The part that each place belongs to: compact ones (k-means, begun with places far from each other)."""
    centres_K2 = places_N2.mean(axis=0)[None]
    for _ in range(count - 1):
        farthest = _squared_distances(places_N2, centres_K2).min(axis=1).argmax()
        centres_K2 = np.vstack((centres_K2, places_N2[farthest]))
    part_N = np.zeros(len(places_N2), np.intp)
    for _ in range(_ROUNDS):
        part_N = _squared_distances(places_N2, centres_K2).argmin(axis=1)
        centres_K2 = np.array([places_N2[part_N == part].mean(axis=0) for part in np.unique(part_N)])
    return part_N


def _squared_distances(places_N2: Floats, centres_K2: Floats) -> Floats:
    distances_NK: Floats = ((places_N2[:, None] - centres_K2) ** 2).sum(axis=2)
    return distances_NK


def _clicks_for(length: float, frame: Size, most: int) -> int:
    return min(most, 1 + int(length / (_LENGTH_OF_A_CLICK * max(frame))))


def _beside(frame: Size) -> PromptError:
    return PromptError(f"Nothing of the stroke lies on the {named(frame)} image.")
