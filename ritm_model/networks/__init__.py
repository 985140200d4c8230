"""The networks of the paper: HRNet with OCR and DeepLabV3+, in all their input variants."""

from ritm_model.networks.config import JSON, DeeplabConfig, HRNetConfig
from ritm_model.networks.initialise import initialise
from ritm_model.networks.model import DeeplabModel, HRNetModel, InteractiveModel, build

__all__ = [
    "JSON",
    "DeeplabConfig",
    "DeeplabModel",
    "HRNetConfig",
    "HRNetModel",
    "InteractiveModel",
    "build",
    "initialise",
]
