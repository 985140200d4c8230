"""RITM as a native CVAT agent: no Nuclio, no Docker, the GPU of one's own machine.

For servers that offer agents (CVAT Online and Enterprise). cvat-cli loads this module, downloads the
frames itself and keeps what `preprocess_image` returns, so that a frame is prepared once:

    cvat-cli function create-native RITM --function-module cvat_serverless.agent
    cvat-cli function run-agent 7 --function-module cvat_serverless.agent -p device=str:cuda
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import cvat_sdk.auto_annotation as cvataa
import numpy as np
import numpy.typing as npt
import PIL.Image
from cvat_sdk.models import AttributeValRequest

from cvat_serverless.interactor import Interactor, ObjectMask
from cvat_serverless.loading import load
from cvat_serverless.request import Prompts, box_between
from cvat_serverless.settings import CvatSettings
from ritm_model.clicks import Click
from ritm_model.errors import RitmError
from ritm_model.images import check_size, upright_bytes, upright_rgb
from ritm_model.inference.timing import Timings
from ritm_model.masks.cvat_rle import encode
from ritm_ops.admission import Budget, BusyError

if TYPE_CHECKING:
    from cvat_serverless.metrics import Metrics

MEMORY_WAIT_SECONDS = 60.0  # agents ask for work, and nobody ends a request before


@dataclass(frozen=True, slots=True, eq=False)
class HashedImage:
    """A frame ready for clicks: upright uint8 H x W x 3 RGB, and a hash of it."""

    key: str
    pixels_HW3: npt.NDArray[np.uint8]


class RitmFunction:
    """CVAT's `InteractionFunction` over the predictor of all our adapters.

    Args:
        interactor: what answers.
        memory: what frames are decoded in.
        metrics: count what is answered.
        confidence: whether to send how sure the model is.
    """

    spec = cvataa.InteractionFunctionSpec(min_pos_points=0, min_neg_points=0, min_bounding_boxes=0)

    def __init__(
        self, interactor: Interactor, memory: Budget, metrics: Metrics, *, confidence: bool = False
    ) -> None:
        self._interactor = interactor
        self._memory = memory
        self._metrics = metrics
        self._confidence = confidence

    def preprocess_image(
        self,
        context: cvataa.InteractionFunctionContext,  # noqa: ARG002  (CVAT's signature)
        image: PIL.Image.Image,
    ) -> HashedImage:
        with self._counted(is_answer=False):
            check_size(image)
            with self._memory.hold(upright_bytes(image), monotonic() + MEMORY_WAIT_SECONDS):
                pixels_HW3 = np.ascontiguousarray(upright_rgb(image))
        digest = hashlib.sha256(pixels_HW3.data)
        digest.update(str(pixels_HW3.shape).encode())
        return HashedImage(digest.hexdigest(), pixels_HW3)

    def detect(
        self,
        context: cvataa.InteractionFunctionContext,  # noqa: ARG002  (CVAT's signature)
        pp_image: HashedImage,
        prompts: cvataa.InteractionPrompts,
    ) -> list[cvataa.InteractionResultShape]:
        with self._counted(is_answer=True):
            asked, timings = _read(prompts), Timings()
            found = self._interactor.segment(pp_image.key, lambda: pp_image.pixels_HW3, asked, timings)
            self._metrics.clicked(asked.count, timings)
            return [self._shape(segment) for segment in found.segments]

    @contextmanager
    def _counted(self, *, is_answer: bool) -> Iterator[None]:
        """Count one request that ends here, by the status that the function would give it.

        Args:
            is_answer: whether it ends here also when all is well.
        """
        began, status = monotonic(), 500
        try:
            yield
            status = 200
        except BusyError:
            status = 503
            raise
        except RitmError:
            status = 400
            raise
        finally:
            if is_answer or status != 200:
                self._metrics.answered(status, monotonic() - began)

    def _shape(self, segment: ObjectMask) -> cvataa.InteractionResultShape:
        attributes = []
        if self._confidence:
            spec_id = int(cvataa.InteractionResultAttributes.CONFIDENCE)
            attributes = [AttributeValRequest(spec_id=spec_id, value=f"{segment.confidence:.2f}")]
        return cvataa.InteractionResultShape(type="mask", points=encode(segment.mask), attributes=attributes)


def _read(prompts: cvataa.InteractionPrompts) -> Prompts:
    boxes = []
    if prompts.bounding_box is not None:
        boxes.append(box_between(*prompts.bounding_box))
    return Prompts(
        positives=tuple(Click(x, y, True) for x, y in prompts.pos_points),
        negatives=tuple(Click(x, y, False) for x, y in prompts.neg_points),
        boxes=tuple(boxes),
    )


@dataclass(frozen=True, slots=True)
class _Log:
    """Nuclio's form of a log, over Python's."""

    to: logging.Logger

    def info_with(self, message: str, **fields: object) -> None:
        self.to.info("%s %s", message, fields)

    def warn_with(self, message: str, **fields: object) -> None:
        self.to.warning("%s %s", message, fields)

    def error_with(self, message: str, **fields: object) -> None:
        self.to.error("%s %s", message, fields)


def create(
    model: str | None = None,
    device: str | None = None,
    engine: str | None = None,
    *,
    confidence: bool | None = None,
) -> RitmFunction:
    """What cvat-cli calls with its `-p` parameters; what they leave open, the environment says."""
    parameters = {
        "ritm_model": model,
        "ritm_device": device,
        "ritm_engine": engine,
        "ritm_cvat_confidence": confidence,
    }
    given = {name: value for name, value in parameters.items() if value is not None}
    settings = CvatSettings.from_environment(**given)
    loaded = load(settings)
    if loaded.live:
        loaded.live.follow(_Log(logging.getLogger(__name__)))
    return RitmFunction(
        loaded.interactor, loaded.memory, loaded.metrics, confidence=settings.ritm_cvat_confidence
    )
