"""The networks: HRNet with OCR and DeepLabV3+ of the paper, and a light one, in all their input variants."""

from ritm_model.networks.config import JSON, DeeplabConfig, HRNetConfig, MobileConfig
from ritm_model.networks.initialise import initialise
from ritm_model.networks.model import DeeplabModel, HRNetModel, InteractiveModel, MobileModel, build
from ritm_model.networks.prepared import prepared

__all__ = [
    "JSON",
    "DeeplabConfig",
    "DeeplabModel",
    "HRNetConfig",
    "HRNetModel",
    "InteractiveModel",
    "MobileConfig",
    "MobileModel",
    "build",
    "initialise",
    "prepared",
]
