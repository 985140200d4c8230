"""Where f-BRS cuts a network in two, so that the features in between can be changed.

Shapes: B batch, C channels, h x w a feature map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ritm_model.errors import BRSError
from ritm_model.networks import DeeplabModel, HRNetModel, InteractiveModel

Features = tuple[Tensor, ...]
"""First the B x C x h x w features that may be changed, then what else the rest of the network needs."""


@dataclass(frozen=True, slots=True)
class FeaturePoint:
    """A cut through a network.

    Attributes:
        before: from the two inputs of `InteractiveModel.logits` to features.
        after: from features to B x 1 x h x w logits, those of the main output.
    """

    before: Callable[[Tensor, Tensor | None], Features]
    after: Callable[..., Tensor]


def feature_point(model: InteractiveModel, name: str) -> FeaturePoint:
    """The cut of that name.

    A and B cut HRNet before, C after its OCR head. In DeepLabV3+, A cuts before the pyramid, B before and
    C after the decoder.

    Args:
        model: to be cut.
        name: A, B or C.

    Raises:
        BRSError: the network has no such place.
    """
    if isinstance(model, HRNetModel):
        return _in_hrnet(model, name)
    if isinstance(model, DeeplabModel):
        return _in_deeplab(model, name)
    raise BRSError(
        f"f-BRS-{name} is made for the hrnet and deeplab families, not for {model.family}; use RGB-BRS."
    )


def _in_hrnet(model: HRNetModel, name: str) -> FeaturePoint:
    body = model.feature_extractor
    if name in "AB":
        return FeaturePoint(
            before=lambda image, clicks: (body.features(image, clicks),),
            after=lambda features: body.classify(features)[0],
        )
    if body.ocr_width == 0:
        raise BRSError("f-BRS-C needs a network with an OCR head; use f-BRS-B.")
    return FeaturePoint(
        before=lambda image, clicks: body.augment(body.features(image, clicks))[:1], after=body.cls_head
    )


def _in_deeplab(model: DeeplabModel, name: str) -> FeaturePoint:
    body, head = model.feature_extractor, model.head

    def deep_first(image: Tensor, clicks: Tensor | None) -> Features:
        skip, deep = body.backbone(image, clicks)
        return deep, skip

    points = {
        "A": FeaturePoint(deep_first, lambda deep, skip: head(body.head(body.join(skip, deep)))),
        "B": FeaturePoint(
            lambda image, clicks: (body.join(*body.backbone(image, clicks)),),
            lambda joined: head(body.head(joined)),
        ),
        "C": FeaturePoint(lambda image, clicks: (body(image, clicks),), head),
    }
    return points[name]
