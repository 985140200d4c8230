"""The interactive models: image and clicks in, logits of the object out.

Shapes: B batch, C = 3 or 4 channels, H and W the image, P = 2N points (N positive, then N negative),
3 = (row, column, order), M maps (previous mask if any, positive, negative clicks), h and w a quarter of
H and W.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from ritm_model.networks import fusion
from ritm_model.networks.blocks import resize
from ritm_model.networks.click_maps import click_maps
from ritm_model.networks.config import (
    JSON,
    DeeplabConfig,
    HRNetConfig,
    InputConfig,
    LiteConfig,
    MobileConfig,
    to_params,
)
from ritm_model.networks.segmentation.deeplab import DeepLabV3Plus, LogitsHead
from ritm_model.networks.segmentation.hrnet import HRNetOCR
from ritm_model.networks.segmentation.lite import STEM_CHANNELS as LITE_STEM_CHANNELS
from ritm_model.networks.segmentation.lite import lite_pyramid
from ritm_model.networks.segmentation.mobile import STEM_CHANNELS as MOBILE_STEM_CHANNELS
from ritm_model.networks.segmentation.mobile import mobile_pyramid
from ritm_model.networks.segmentation.pyramid import FeaturePyramid
from ritm_model.networks.viewing import Viewing

CONV_EXTEND_LR_MULT = 0.1


class InteractiveModel(nn.Module, ABC):
    """What the families share: normalisation, click maps, their fusion, and the final upsampling.

    Attributes:
        family: name of the architecture family, by which it is registered.
        viewing: how photographs are shown to it where annotators wait; see `PredictorOptions.serving`.
        click_channels: what the click features must have to be added to the stem.
        params: all constructor parameters, JSON-able; `build(family, params)` makes the same network.
        with_prev_mask: images carry the previous mask as fourth channel.
        cpu_dist_maps: round clicks to whole pixels; may be set at any time.
    """

    family: ClassVar[str]
    viewing: ClassVar[Viewing] = Viewing()
    click_channels: ClassVar[int] = fusion.CLICK_CHANNELS
    mean: Tensor
    std: Tensor

    def __init__(self, config: InputConfig) -> None:
        super().__init__()
        self.params: dict[str, JSON] = to_params(config)
        self.with_prev_mask = config.with_prev_mask
        self.cpu_dist_maps = config.cpu_dist_maps
        self._config = config

        maps = 2 + config.with_prev_mask
        self.rgb_conv: nn.Module | None = None
        self.maps_transform: nn.Module | None = None
        if config.use_rgb_conv:
            self.rgb_conv = fusion.rgb_conv(maps, leaky=config.use_leaky_relu)
        elif config.conv_extend:
            self.maps_transform = fusion.extended_conv(maps, channels=self.click_channels)
        else:
            self.maps_transform = fusion.maps_transform(
                maps, leaky=config.use_leaky_relu, channels=self.click_channels
            )

        # Buffers follow the model to its device; not persistent, because checkpoints do not have them.
        for name, values in zip(("mean", "std"), config.norm_mean_std, strict=True):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, image_BCHW: Tensor, points_BP3: Tensor) -> dict[str, Tensor]:
        """Segment the object that the clicks mean.

        Args:
            image_BCHW: float RGB in [0, 1]; with `with_prev_mask` a fourth channel holds the probability of
                the previous mask, zeros before the first click.
            points_BP3: int or float (row, column, order) in pixels; unused rows are (-1, -1, -1).

        Returns:
            "instances", B x 1 x H x W logits, and with auxiliary output "instances_aux", the same of the
            coarse OCR prediction.

        Raises:
            ValueError: the image has the wrong number of channels.
        """
        return self.segment(*self.encode(image_BCHW, points_BP3))

    def encode(self, image_BCHW: Tensor, points_BP3: Tensor) -> tuple[Tensor, Tensor]:
        """Prepare the inputs of `segment`: B x 3 x H x W normalised image and B x M x H x W maps."""
        channels = 3 + self.with_prev_mask
        if image_BCHW.shape[1] != channels:
            kind = "with a previous mask" if self.with_prev_mask else "without previous mask"
            raise ValueError(f"A model {kind} takes {channels} channels, not {image_BCHW.shape[1]}.")
        maps_B2HW = click_maps(
            points_BP3,
            (image_BCHW.shape[2], image_BCHW.shape[3]),
            radius=self._config.norm_radius,
            disks=self._config.use_disks,
            rounded=self.cpu_dist_maps,
        ).to(image_BCHW.dtype)
        prev_mask = image_BCHW[:, 3:]
        if self._config.binary_prev_mask:
            prev_mask = (prev_mask > 0.5).to(image_BCHW.dtype)
        return (image_BCHW[:, :3] - self.mean) / self.std, torch.cat([prev_mask, maps_B2HW], dim=1)

    def segment(self, image_B3HW: Tensor, maps_BMHW: Tensor) -> dict[str, Tensor]:
        """Run the network proper on what `encode` gives. Free of point arithmetic, so fit for export."""
        outputs = self.logits(*self.fuse(image_B3HW, maps_BMHW))
        names = ("instances", "instances_aux") if self._config.with_aux_output else ("instances",)
        size = (image_B3HW.shape[2], image_B3HW.shape[3])
        return {name: resize(logits, size) for name, logits in zip(names, outputs, strict=False)}

    def fuse(self, image_B3HW: Tensor, maps_BMHW: Tensor) -> tuple[Tensor, Tensor | None]:
        """Turn what `encode` gives into the two arguments of `logits`."""
        if self.rgb_conv is not None:
            return self.rgb_conv(torch.cat([image_B3HW, maps_BMHW], dim=1)), None
        assert self.maps_transform is not None
        return image_B3HW, self.maps_transform(maps_BMHW)

    @abstractmethod
    def logits(self, image_B3HW: Tensor, clicks_BCHW: Tensor | None) -> list[Tensor]:
        """Compute [main] or [main, auxiliary] logits, B x 1 x h x w each."""

    @property
    def device(self) -> torch.device:
        """Where the weights are, and inputs have to be."""
        return self.mean.device

    def lr_multipliers(self) -> dict[str, float]:
        """Give the learning-rate multiplier of every parameter by its name."""
        rules = self._lr_rules()
        if self._config.conv_extend:
            rules = {**rules, "maps_transform.": CONV_EXTEND_LR_MULT}
        # The longest prefix that fits decides.
        prefixes = sorted(rules, key=len, reverse=True)
        return {
            name: next((rules[prefix] for prefix in prefixes if name.startswith(prefix)), 1.0)
            for name, _ in self.named_parameters()
        }

    def _lr_rules(self) -> dict[str, float]:
        """Give multipliers by prefix of the parameter name; 1 for all others."""
        return {}


class HRNetModel(InteractiveModel):
    family = "hrnet"

    def __init__(self, config: HRNetConfig) -> None:
        super().__init__(config)
        self._backbone_lr_mult = config.backbone_lr_mult
        self.feature_extractor = HRNetOCR(config.width, config.ocr_width, config.small)

    def logits(self, image_B3HW: Tensor, clicks_BCHW: Tensor | None) -> list[Tensor]:
        outputs: list[Tensor] = self.feature_extractor(image_B3HW, clicks_BCHW)
        return outputs

    def _lr_rules(self) -> dict[str, float]:
        # The two small heads (cls_head, aux_head) go with the backbone, as in the paper's code.
        return {
            "feature_extractor.": self._backbone_lr_mult,
            "feature_extractor.ocr_distri_head.": 1.0,
            "feature_extractor.conv3x3_ocr.": 1.0,
        }


class DeeplabModel(InteractiveModel):
    family = "deeplab"

    def __init__(self, config: DeeplabConfig) -> None:
        super().__init__(config)
        self._backbone_lr_mult = config.backbone_lr_mult
        self.feature_extractor = DeepLabV3Plus(config.backbone, config.deeplab_ch, config.aspp_dropout)
        self.head = LogitsHead(config.deeplab_ch)

    def logits(self, image_B3HW: Tensor, clicks_BCHW: Tensor | None) -> list[Tensor]:
        return [self.head(self.feature_extractor(image_B3HW, clicks_BCHW))]

    def _lr_rules(self) -> dict[str, float]:
        return {"feature_extractor.backbone.": self._backbone_lr_mult}


class PyramidModel(InteractiveModel):
    """A backbone under a feature pyramid, which a subclass makes."""

    feature_extractor: FeaturePyramid

    def __init__(self, config: MobileConfig | LiteConfig) -> None:
        super().__init__(config)
        self._backbone_lr_mult = config.backbone_lr_mult

    def logits(self, image_B3HW: Tensor, clicks_BCHW: Tensor | None) -> list[Tensor]:
        return [self.feature_extractor(image_B3HW, clicks_BCHW)]

    def _lr_rules(self) -> dict[str, float]:
        return {"feature_extractor.features.": self._backbone_lr_mult}


class MobileModel(PyramidModel):
    family = "mobile"
    click_channels = MOBILE_STEM_CHANNELS

    def __init__(self, config: MobileConfig) -> None:
        super().__init__(config)
        self.feature_extractor = mobile_pyramid(config.head_width)


class LiteModel(PyramidModel):
    family = "lite"
    viewing = Viewing(size=320, first_size=256, late_size=384, late_click=6, side_step=32, with_flip=True)
    click_channels = LITE_STEM_CHANNELS

    def __init__(self, config: LiteConfig) -> None:
        super().__init__(config)
        self.feature_extractor = lite_pyramid(config.variant, config.head_width, config.fine_width)
