"""Constructor parameters of the networks, by the names that released checkpoints use.

A test freezes these names: old checkpoints must keep loading.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TypeAlias, TypeVar

from ritm_model.errors import suggestion
from ritm_model.networks.segmentation.lite import VARIANTS
from ritm_model.networks.segmentation.resnet import LAYOUTS

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
MeanStd: TypeAlias = tuple[tuple[float, float, float], tuple[float, float, float]]
ConfigT = TypeVar("ConfigT", bound="InputConfig")

IMAGENET_MEAN_STD: MeanStd = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
LITE_MEAN_STD: MeanStd = ((127 / 255,) * 3, (128 / 255,) * 3)  # of the ImageNet weights of EfficientNet-Lite


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputConfig:
    """What the families share: how image, clicks and previous mask enter.

    Attributes:
        use_rgb_conv: mix everything into three channels before the backbone; otherwise the clicks are added
            to its stem.
        conv_extend: the plainest form of adding to the stem, one convolution (without `use_rgb_conv` only).
        use_leaky_relu: slope 0.2 in the click layers in place of ReLU.
        use_disks: disks of `norm_radius` pixels as click maps; otherwise tanh of the distance over it.
        norm_radius: of the disks in pixels, or where the tanh is nearly 1.
        cpu_dist_maps: round clicks to whole pixels, as the paper's demo does.
        with_prev_mask: the image has a fourth channel, the previous mask.
        binary_prev_mask: that mask is thresholded at 0.5 first.
        with_aux_output: answer "instances_aux" too.
        norm_mean_std: mean and standard deviation per channel of images in [0, 1].
    """

    use_rgb_conv: bool = True
    conv_extend: bool = False
    use_leaky_relu: bool = False
    use_disks: bool = False
    norm_radius: float = 260.0
    cpu_dist_maps: bool = False
    with_prev_mask: bool = False
    binary_prev_mask: bool = False
    with_aux_output: bool = False
    norm_mean_std: MeanStd = IMAGENET_MEAN_STD

    def __post_init__(self) -> None:
        _require(0 < self.norm_radius <= 1000, "norm_radius must be above 0 and at most 1000")
        _require(min(self.norm_mean_std[1]) > 0, "norm_mean_std must have standard deviations above 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class HRNetConfig(InputConfig):
    """HRNet with OCR.

    Attributes:
        width: channels of the finest branch (18, 32, 48).
        ocr_width: width of the OCR attention, 0 for a plain head.
        small: the shallow W18-Small-v2 layout.
        backbone_lr_mult: learning-rate multiplier of what can start from ImageNet.
    """

    width: int = 48
    ocr_width: int = 256
    small: bool = False
    backbone_lr_mult: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        # The bounds keep a hostile checkpoint from asking for all memory.
        _require(1 <= self.width <= 128, "width must be 1 to 128")
        _require(0 <= self.ocr_width <= 512, "ocr_width must be 0 to 512")
        _require(
            self.ocr_width > 0 or not self.with_aux_output,
            "without OCR (ocr_width 0) with_aux_output must be false",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeeplabConfig(InputConfig):
    """DeepLabV3+ over a dilated ResNet.

    Attributes:
        backbone: one of `resnet.LAYOUTS`.
        deeplab_ch: channels of the pyramid and the decoder, an even number.
        aspp_dropout: dropout after the pyramid.
        backbone_lr_mult: learning-rate multiplier of the backbone.
    """

    backbone: str = "resnet50"
    deeplab_ch: int = 256
    aspp_dropout: float = 0.5
    backbone_lr_mult: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.backbone in LAYOUTS, f"backbone must be one of {', '.join(LAYOUTS)}")
        _require(
            2 <= self.deeplab_ch <= 1024 and self.deeplab_ch % 2 == 0, "deeplab_ch must be even, 2 to 1024"
        )
        _require(0 <= self.aspp_dropout < 1, "aspp_dropout must be 0 or more and below 1")
        _require(not self.with_aux_output, "DeepLab has no auxiliary output: with_aux_output must be false")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MobileConfig(InputConfig):
    """MobileNetV3-Large under a light feature pyramid.

    The inputs are those that the paper recommends, for there are no older checkpoints to keep.

    Attributes:
        head_width: channels of the pyramid.
        backbone_lr_mult: learning-rate multiplier of the backbone; 1 suits learning from scratch.
    """

    use_rgb_conv: bool = False
    use_leaky_relu: bool = True
    use_disks: bool = True
    norm_radius: float = 5.0
    with_prev_mask: bool = True
    head_width: int = 96
    backbone_lr_mult: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(4 <= self.head_width <= 256, "head_width must be 4 to 256")
        _require(not self.with_aux_output, "mobile has no auxiliary output: with_aux_output must be false")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LiteConfig(InputConfig):
    """EfficientNet-Lite under a light feature pyramid.

    The inputs are those that the paper recommends, for there are no older checkpoints to keep.

    Attributes:
        variant: size of the backbone: lite0, lite1 or lite2.
        head_width: channels of the pyramid.
        fine_width: channels of a head at half the size of the image, for thin structures; 0 for none.
        backbone_lr_mult: learning-rate multiplier of the backbone; 1 suits learning from scratch.
    """

    use_rgb_conv: bool = False
    use_leaky_relu: bool = True
    use_disks: bool = True
    norm_radius: float = 5.0
    with_prev_mask: bool = True
    norm_mean_std: MeanStd = LITE_MEAN_STD
    variant: str = "lite0"
    head_width: int = 96
    fine_width: int = 0
    backbone_lr_mult: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.variant in VARIANTS, f"variant must be one of {', '.join(VARIANTS)}")
        _require(4 <= self.head_width <= 256, "head_width must be 4 to 256")
        _require(0 <= self.fine_width <= 128, "fine_width must be 0 to 128")
        _require(not self.with_aux_output, "lite has no auxiliary output: with_aux_output must be false")


def from_params(config: type[ConfigT], params: Mapping[str, object]) -> ConfigT:
    """Check plain values, as read from JSON, and make a configuration of them.

    Raises:
        ValueError: an unknown name, a value of the wrong type or out of range; the message is one sentence.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    unknown = sorted(str(name) for name in params.keys() - defaults.keys())
    if unknown:
        raise ValueError(
            f"Unknown model parameter {', '.join(unknown)}{suggestion(unknown[0], defaults)}; "
            f"the known ones are {', '.join(sorted(defaults))}."
        )
    # The values have the types of the defaults, which the type checker cannot follow.
    return config(**{name: _typed(name, value, defaults[name]) for name, value in params.items()})  # type: ignore[arg-type]


def to_params(config: InputConfig) -> dict[str, JSON]:
    """Give all constructor parameters as JSON-able values; `from_params` takes them back."""
    params: dict[str, JSON] = {**dataclasses.asdict(config)}
    params["norm_mean_std"] = [list(numbers) for numbers in config.norm_mean_std]
    return params


def _typed(name: str, value: object, default: object) -> object:
    if name == "norm_mean_std":
        return _mean_std(value)
    if isinstance(default, float):
        return _number(name, value)
    wanted = type(default)
    if type(value) is not wanted:
        raise ValueError(f"Model parameter {name} must be {wanted.__name__}, not {type(value).__name__}.")
    return value


def _number(name: str, value: object) -> float:
    # The bound also shuts out infinities, NaN, and whole numbers too long for a float.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e6:
        raise ValueError(f"Model parameter {name} must be a number below a million.")
    return float(value)


def _mean_std(value: object) -> tuple[tuple[float, ...], ...]:
    rows = value if isinstance(value, (list, tuple)) else ()
    if [len(row) if isinstance(row, (list, tuple)) else 0 for row in rows] != [3, 3]:
        raise ValueError("Model parameter norm_mean_std must be two lists of three numbers.")
    return tuple(tuple(_number("norm_mean_std", x) for x in row) for row in rows)


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise ValueError(f"Model parameter {rule}.")
