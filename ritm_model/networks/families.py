"""The families of networks by name: the one place where a family is registered.

Checkpoints and recipes name a family and its parameters, never a class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from ritm_model.networks.config import (
    DeeplabConfig,
    HRNetConfig,
    InputConfig,
    LiteConfig,
    MobileConfig,
    from_params,
)
from ritm_model.networks.model import DeeplabModel, HRNetModel, InteractiveModel, LiteModel, MobileModel
from ritm_model.networks.segmentation.lite import name_in_file as lite_name_in_file

ENTRY_POINTS = "ritm.families"
"""Group of entry points by which installed packages offer families of their own."""


@dataclass(frozen=True, slots=True)
class Backbone:
    """The part of a network that can start from pretrained weights.

    Attributes:
        place: prefix of its keys in the state dict of the model.
        others: prefixes, below the place, of what is no part of it.
        name_in_file: from a key below the place to that of the file of weights.
    """

    place: str
    others: tuple[str, ...] = ()
    name_in_file: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Family:
    """Networks that differ in their constructor parameters only.

    Attributes:
        config: a frozen dataclass with the parameters and their defaults. Its docstring explains them.
        model: makes a network with untrained weights of a `config`; its `family` is the name.
        backbone: what ImageNet weights are for; None if there is nothing.
    """

    config: type[InputConfig]
    model: Callable[[Any], InteractiveModel]
    backbone: Backbone | None = None

    def build(self, params: Mapping[str, object]) -> InteractiveModel:
        """See `build`."""
        return self.model(from_params(self.config, params))


HRNET_HEADS = ("conv3x3_ocr.", "ocr_distri_head.", "cls_head.", "aux_head.")

FAMILIES: dict[str, Family] = {
    "hrnet": Family(HRNetConfig, HRNetModel, Backbone("feature_extractor.", HRNET_HEADS)),
    "deeplab": Family(DeeplabConfig, DeeplabModel, Backbone("feature_extractor.backbone.")),
    "mobile": Family(
        MobileConfig,
        MobileModel,
        Backbone("feature_extractor.features.", name_in_file="features.{}".format),
    ),
    "lite": Family(
        LiteConfig, LiteModel, Backbone("feature_extractor.features.", name_in_file=lite_name_in_file)
    ),
}


def register_family(name: str, family: Family) -> None:
    """Add a family for this process; checkpoints, recipes and `build` know it from then on.

    A package that is installed can offer one to every process, those of the command line included, by an
    entry point of the group `ritm.families`: its name is the family's, its value a `Family`.

    Args:
        name: what checkpoints and recipes call it, the same as `family` of its networks.
        family: how its networks are made.

    Raises:
        ValueError: another family has that name already.
    """
    if FAMILIES.setdefault(name, family) != family:
        raise ValueError(f"There is a model family {name} already; choose another name.")


def family_named(name: str) -> Family:
    """The family of that name.

    Raises:
        ValueError: there is none; the sentence lists the known ones.
    """
    if name not in FAMILIES:
        for entry_point in entry_points(group=ENTRY_POINTS, name=name):
            register_family(name, entry_point.load())
    if name not in FAMILIES:
        raise ValueError(f"Unknown model family {name}; the known ones are {', '.join(FAMILIES)}.")
    return FAMILIES[name]


def build(family: str, params: Mapping[str, object]) -> InteractiveModel:
    """Make a network with untrained weights.

    Args:
        family: "hrnet", "deeplab", "mobile", "lite", or one that was registered.
        params: constructor parameters, see `HRNetConfig`, `DeeplabConfig`, `MobileConfig` and `LiteConfig`;
            those left out have the defaults of the paper's code, where it has such a family.

    Raises:
        ValueError: an unknown family or parameter, or a value that does not fit; one sentence says which.
    """
    return family_named(family).build(params)
