"""From prompts to masks: CVAT's clicks and boxes laid out for the annotator's sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cvat_serverless.history import ClickHistory, Clicks, lead_with_positive
from cvat_serverless.request import InteractionError, Prompts
from cvat_serverless.wire import has_outline
from ritm_model.clicks import Click
from ritm_model.inference import Annotator, Box, Prompt
from ritm_model.inference.specks import MIN_REGION_PIXELS, drop_specks
from ritm_model.inference.timing import Timings
from ritm_ops.registry.live_model import Versions

MAX_CLICKS = 60
"""Of all objects of one request together, the clicks in the middle of boxes included. Each may cost a run
of the network, 0.3 s on two cores, and all of them must fit in the function's `eventTimeout` of 30 s."""

LoadImage = Callable[[], npt.NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class ObjectMask:
    """One object: its mask, bool H x W, and how sure the model is of it, 0..1."""

    mask: npt.NDArray[np.bool_]
    confidence: float


@dataclass(frozen=True, slots=True)
class Segmentation:
    """The objects of one frame that can be shown, in the order of their boxes."""

    width: int
    height: int
    segments: tuple[ObjectMask, ...]


@dataclass(frozen=True, slots=True)
class BoxPrompt:
    """What belongs to one object: clicks in the order of their making, and where to look."""

    clicks: Clicks
    region: Box | None = None


class Interactor:
    """Answers interactions on frames, each of which carries all prompts and no identity.

    Sessions live in the annotator and the history; both are keyed by `image_key`, a hash of the frame.
    """

    def __init__(
        self, annotator: Annotator | Versions, *, min_region_pixels: int = MIN_REGION_PIXELS
    ) -> None:
        self._annotator = annotator
        self._min_region_pixels = min_region_pixels
        self._history = ClickHistory()

    @property
    def annotator(self) -> Annotator:
        """What answers objects that are begun now."""
        return self._annotator.current if isinstance(self._annotator, Versions) else self._annotator

    def tidy(self) -> None:
        """Let go of memory that others need now."""
        self._annotator.tidy()

    def segment(
        self,
        image_key: str,
        load_image: LoadImage,
        prompts: Prompts,
        timings: Timings | None = None,
        waited_seconds: float = 0,
    ) -> Segmentation:
        """Segment what the prompts mark.

        Args:
            image_key: the same for the same pixels, and only for them.
            load_image: gives the upright frame, uint8 H x W x 3 RGB; called when it is not cached.
            prompts: without a box and a positive click nothing is segmented.
            timings: takes the milliseconds of each stage.
            waited_seconds: how long the request has waited for this process, behind others.

        Raises:
            InteractionError: more than `MAX_CLICKS` clicks over all objects.
            RitmError: the image cannot be read.
        """
        timings = timings or Timings()
        with timings.stage("image"):
            height, width = self.annotator.image(image_key, load_image).shape[:2]
        positives = [_onto_frame(click, width, height) for click in prompts.positives]
        negatives = [_onto_frame(click, width, height) for click in prompts.negatives]
        boxes = [box for box in (box.clipped((height, width)) for box in prompts.boxes) if box is not None]
        clicks = self._history.order(image_key, positives, negatives)

        objects = split_objects(clicks, boxes)
        n_clicks = sum(len(asked.clicks) for asked in objects)
        if n_clicks > MAX_CLICKS:
            raise InteractionError(
                f"The request makes {n_clicks} clicks over all boxes; at most {MAX_CLICKS} are answered."
            )

        segments = []
        for asked in objects:
            prompt = Prompt(image_key=image_key, clicks=asked.clicks, region=asked.region)
            state = self._annotator_of(image_key, asked).segment(
                prompt, load_image, timings, waited_seconds=waited_seconds, others_wait=waited_seconds > 0
            )
            threshold = prompts.threshold
            whole_HW = state.mask if threshold is None else state.probability > threshold
            mask_HW = drop_specks(whole_HW, asked.clicks, self._min_region_pixels)
            if has_outline(mask_HW):
                segments.append(ObjectMask(mask_HW, float(state.score)))
        return Segmentation(width, height, tuple(segments))

    def _annotator_of(self, image_key: str, asked: BoxPrompt) -> Annotator:
        """An object, known by its frame, box and first click, stays with the version it was begun on."""
        if isinstance(self._annotator, Annotator):
            return self._annotator
        return self._annotator.annotator(repr((image_key, asked.region, asked.clicks[0])))


def split_objects(clicks: Clicks, boxes: Sequence[Box]) -> list[BoxPrompt]:
    """Which click belongs to which object?

    Without a box there is one object, or none where no click is positive. Each box is an object. It begins
    with a click in its middle, which stays when others follow: they correct the mask that the box gave.
    A positive click belongs to the box it lies in, or to the nearest one, a negative click to all.
    """
    if not boxes:
        return [BoxPrompt(lead_with_positive(clicks))] if any(c.is_positive for c in clicks) else []
    return [
        BoxPrompt(
            box.leading([c for c in clicks if not c.is_positive or _nearest(c, boxes) is box], always=True),
            region=box,
        )
        for box in boxes
    ]


def _nearest(click: Click, boxes: Sequence[Box]) -> Box:
    """Of several boxes around a click the smallest is meant."""

    def key(box: Box) -> tuple[float, float]:
        dx = max(box.left - click.x, 0.0, click.x - box.right)
        dy = max(box.top - click.y, 0.0, click.y - box.bottom)
        return (dx * dx + dy * dy, (box.right - box.left) * (box.bottom - box.top))

    return min(boxes, key=key)


def _onto_frame(click: Click, width: int, height: int) -> Click:
    """The nearest pixel, for a click on the far edge, which belongs to none, or beyond any edge."""
    return replace(click, x=min(max(click.x, 0.0), width - 1.0), y=min(max(click.y, 0.0), height - 1.0))
