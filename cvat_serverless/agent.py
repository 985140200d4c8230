"""RITM as a native CVAT agent: no Nuclio, no Docker, the GPU of one's own machine.

For servers that offer agents (CVAT Online and Enterprise). cvat-cli loads this module, downloads the
frames itself and keeps what `preprocess_image` returns, so that a frame is prepared once:

    cvat-cli function create-native RITM --function-module cvat_serverless.agent
    cvat-cli function run-agent 7 --function-module cvat_serverless.agent -p device=str:cuda
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cvat_sdk.auto_annotation as cvataa
import numpy as np
import numpy.typing as npt
import PIL.Image
from cvat_sdk.models import AttributeValRequest

from cvat_serverless.interactor import Interactor, ObjectMask
from cvat_serverless.request import Prompts, box_between
from ritm_model.clicks import Click
from ritm_model.images import upright_rgb
from ritm_model.inference import Annotator, open_predictor
from ritm_model.masks.cvat_rle import encode


@dataclass(frozen=True, slots=True, eq=False)
class HashedImage:
    """A frame ready for clicks: upright uint8 H x W x 3 RGB, and a hash of it."""

    key: str
    pixels_HW3: npt.NDArray[np.uint8]


class RitmFunction:
    """CVAT's `InteractionFunction` over the predictor of all our adapters."""

    spec = cvataa.InteractionFunctionSpec(min_pos_points=0, min_neg_points=0, min_bounding_boxes=0)

    def __init__(self, interactor: Interactor, *, confidence: bool = False) -> None:
        self._interactor = interactor
        self._confidence = confidence

    def preprocess_image(
        self,
        context: cvataa.InteractionFunctionContext,  # noqa: ARG002  (CVAT's signature)
        image: PIL.Image.Image,
    ) -> HashedImage:
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
        found = self._interactor.segment(pp_image.key, lambda: pp_image.pixels_HW3, _read(prompts))
        return [self._shape(segment) for segment in found.segments]

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


def create(
    model: str = "bundled", device: str = "auto", engine: str = "auto", *, confidence: bool = False
) -> RitmFunction:
    """What cvat-cli calls with its `-p` parameters."""
    predictor = open_predictor(model, device=device, engine=engine)
    predictor.warm_up()
    return RitmFunction(Interactor(Annotator(predictor)), confidence=confidence)
