"""Reads the paper's `.pth` files, and plain state dicts, without trusting them.

A `.pth` file is a pickle. It goes through PyTorch's restricted reader only, which knows tensors and
plain containers and executes nothing; there is no second try. The class it names is looked up in a
table of two and never imported.
"""

from __future__ import annotations

import dataclasses
import io
import re
import zipfile
from collections.abc import Mapping, Set
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field, JsonValue, ValidationError
from torch import Tensor

from ritm_model.catalogue import Architecture
from ritm_model.checkpoints.recognised import by_content, by_members, family_of_class, family_of_module
from ritm_model.errors import CheckpointError, shown
from ritm_model.files import parsing
from ritm_model.networks import DeeplabConfig, HRNetConfig
from ritm_model.values import ForeignValue, first_problem

CLASSES = {
    "isegm.model.is_hrnet_model.HRNetModel": ("hrnet", HRNetConfig),
    "isegm.model.is_deeplab_model.DeeplabModel": ("deeplab", DeeplabConfig),
}
BATCH_NORM = "torch.nn.modules.batchnorm.BatchNorm2d"
NORM_PARAMS = frozenset({"norm_layer", "backbone_norm_layer"})

# How a file of torch.save begins: a zip archive, or before PyTorch 1.6 two pickles, the first a magic number.
ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

_REFUSED_GLOBAL = re.compile(r"[Uu]nsupported (?:global: )?GLOBAL ([\w.]{1,100})")


class _Param(ForeignValue):
    model_config = ConfigDict(strict=True)

    type: Literal["builtin", "class"]
    value: JsonValue
    specified: bool


class _Config(ForeignValue):
    model_config = ConfigDict(strict=True)

    class_name: Annotated[str, Field(alias="class")]
    params: dict[str, _Param]


def read_torch_file(
    data: bytes, source: str, *, for_backbone: bool = False
) -> tuple[Architecture | None, dict[str, Tensor]]:
    """Read a file written by `torch.save`.

    Args:
        data: the whole file.
        source: what errors call it.
        for_backbone: weights of another network are what is asked for, such as those of ImageNet.

    Returns:
        The architecture, None for a plain state dict, and the tensors, nothing of which has been checked
        against each other.

    Raises:
        CheckpointError: not such a file, damaged, or holding anything but tensors and plain values.
    """
    content = _unpickled(data, source)
    if isinstance(content, list | tuple):
        raise CheckpointError(
            f"{source} holds a list of {len(content)} models; multi-stage checkpoints are not supported."
        )
    if not isinstance(content, dict):
        raise CheckpointError(f"{source} holds a {type(content).__name__}, not a checkpoint.")
    if not for_backbone and "state_dict" not in content and (what := by_content(content)):
        raise CheckpointError(f"{source} {what}.")
    architecture = _architecture(content["config"], source) if "config" in content else None
    return architecture, _state_dict(content.get("state_dict", content), source)


def _unpickled(data: bytes, source: str) -> object:
    if data.startswith(ZIP_MAGIC):
        _refuse_packed_zip(data, source)
    elif not data.startswith(LEGACY_MAGIC):
        raise CheckpointError(f"{source} is not a PyTorch checkpoint.")
    with parsing(lambda error: CheckpointError(f"{source} {_reason(error)}; nothing was executed.")):
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _reason(error: Exception) -> str:
    refused = _REFUSED_GLOBAL.search(str(error))
    if refused:
        family = family_of_module(refused[1])
        return f"asks for '{refused[1]}'{family}, which is neither a tensor nor a plain value"
    return "is damaged, or holds more than tensors and plain values"


def _refuse_packed_zip(data: bytes, source: str) -> None:
    """`torch.save` stores without packing; a packed archive could unfold to any size."""
    with (
        parsing(lambda _: CheckpointError(f"{source} is cut off or damaged.")),
        zipfile.ZipFile(io.BytesIO(data)) as archive,
    ):
        entries = archive.infolist()
    if what := by_members(entry.filename for entry in entries):
        raise CheckpointError(f"{source} {what}.")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(f"{source} is a packed archive, not a PyTorch checkpoint.")
    if sum(entry.file_size for entry in entries) > len(data):
        raise CheckpointError(f"{source} claims to hold more than its own size.")


def _state_dict(value: object, source: str) -> dict[str, Tensor]:
    if not isinstance(value, dict) or not value:
        raise CheckpointError(f"{source} holds no state dict.")
    state: dict[str, Tensor] = {}
    for key, tensor in value.items():
        if not isinstance(key, str) or not isinstance(tensor, Tensor):
            kind = type(tensor).__name__
            raise CheckpointError(f"{source} holds no state dict: '{shown(key)}' is a {kind}.")
        state[key] = tensor
    if all(key.startswith("module.") for key in state):  # saved from inside DataParallel
        return {key.removeprefix("module."): tensor for key, tensor in state.items()}
    return state


def _architecture(config: object, source: str) -> Architecture:
    try:
        checked = _Config.model_validate(_with_lists(config))
    except (ValidationError, RecursionError) as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else "nested too deeply"
        raise CheckpointError(f"{source} has an unknown kind of config: {problem}.") from None
    if checked.class_name not in CLASSES:
        of_others = family_of_class(checked.class_name)
        raise CheckpointError(
            f"{source} names the class '{shown(checked.class_name)}'{of_others}; known ones are "
            f"{', '.join(CLASSES)}."
        )
    family, network_config = CLASSES[checked.class_name]
    known = {field.name for field in dataclasses.fields(network_config)}
    params = _params(checked.params, known, source)
    try:
        return Architecture(family=family, params=params)
    except ValidationError as error:  # not a number, for example
        raise CheckpointError(f"{source} has an impossible parameter: {first_problem(error)}.") from None


def _params(stored: Mapping[str, _Param], known: Set[str], source: str) -> dict[str, JsonValue]:
    """Those that the network has; what is unknown now and was only a default then is left out."""
    params: dict[str, JsonValue] = {}
    for name, param in stored.items():
        if name in NORM_PARAMS:
            _check_norm(name, param, source)
        elif name in known and param.type == "builtin":
            params[name] = param.value
        elif name in known or param.specified:
            what = "is a class" if name in known else "is unknown"
            raise CheckpointError(f"{source} asks for a parameter '{shown(name)}' that {what}.")
    return params


def _check_norm(name: str, param: _Param, source: str) -> None:
    """Batch normalisation is the only one; a None for the backbone means the same as elsewhere."""
    if (param.type, param.value) not in (("class", BATCH_NORM), ("builtin", None)):
        raise CheckpointError(f"{source} asks for {name} '{shown(param.value)}'; only {BATCH_NORM} is known.")


def _with_lists(value: object) -> object:
    """Tuples as lists, as JSON has them."""
    if isinstance(value, dict):
        return {key: _with_lists(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_lists(item) for item in value]
    return value
