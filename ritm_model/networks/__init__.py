"""The networks: HRNet with OCR and DeepLabV3+ of the paper, and two light ones, in all input variants."""

from ritm_model.networks.config import (
    JSON,
    DeeplabConfig,
    HRNetConfig,
    InputConfig,
    LiteConfig,
    MobileConfig,
)
from ritm_model.networks.families import Backbone, Family, build, family_named, register_family
from ritm_model.networks.initialise import initialise
from ritm_model.networks.model import (
    DeeplabModel,
    HRNetModel,
    InteractiveModel,
    LiteModel,
    MobileModel,
)
from ritm_model.networks.prepared import inference_copy, prepared
from ritm_model.networks.viewing import Viewing

__all__ = [
    "JSON",
    "Backbone",
    "DeeplabConfig",
    "DeeplabModel",
    "Family",
    "HRNetConfig",
    "HRNetModel",
    "InputConfig",
    "InteractiveModel",
    "LiteConfig",
    "LiteModel",
    "MobileConfig",
    "MobileModel",
    "Viewing",
    "build",
    "family_named",
    "inference_copy",
    "initialise",
    "prepared",
    "register_family",
]
