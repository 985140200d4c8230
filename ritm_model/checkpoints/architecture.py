"""From untrusted parameters and tensors to a network: bounds first, then shapes, then memory.

A file decides what is built, so nothing is allocated before the parameters are known to be
sensible (the networks bound them) and every tensor to be of the shape that they ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from ritm_model.catalogue import Architecture, catalogue
from ritm_model.errors import CheckpointError, shown
from ritm_model.networks import InteractiveModel, build

SHOWN = 3  # of every kind of problem


def named_architecture(name: str) -> Architecture:
    """An architecture of the catalogue, by its own name or by that of a released model."""
    known = catalogue()
    if release := known.release(name):
        name = release.architecture
    if name not in known.architectures:
        raise CheckpointError(
            f"There is no architecture '{name}'; known ones are {', '.join(known.architectures)}."
        )
    return known.architectures[name]


def build_network(architecture: Architecture, state: Mapping[str, Tensor], source: str) -> InteractiveModel:
    """Build the network and fill it.

    Args:
        architecture: parameters that are left out take the paper's defaults.
        state: every tensor of the network, under its key; floating ones of any precision.
        source: what errors call the file.

    Returns:
        The model on the CPU, float32, in eval mode, without gradients.

    Raises:
        CheckpointError: parameters unknown or out of bounds, keys missing or left over, wrong shapes.
    """
    try:
        with torch.device("meta"):
            expected = build(architecture.family, architecture.params).state_dict()
    except (ValueError, OverflowError, RuntimeError) as error:  # the last two: integers without end
        raise CheckpointError(
            f"{source} asks for a network that cannot be built: {shown(error, 600)}"
        ) from None
    check_state(expected, state, source)
    model = build(architecture.family, architecture.params)
    model.load_state_dict(state)
    return model.eval().requires_grad_(False)


def check_state(expected: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str) -> None:
    """Compare keys, shapes and kinds of tensors without touching their values."""
    shared = [key for key in expected if key in state]
    problems = [
        _listed("missing", (key for key in expected if key not in state)),
        _listed("not expected", (shown(key) for key in state if key not in expected)),
        _listed(
            "of another shape",
            (
                f"{key} {_shape(state[key])} instead of {_shape(expected[key])}"
                for key in shared
                if state[key].shape != expected[key].shape
            ),
        ),
        _listed(
            "not plain numbers of the right kind",
            (key for key in shared if not _same_kind(state[key], expected[key])),
        ),
    ]
    found = "; ".join(problem for problem in problems if problem)
    if found:
        raise CheckpointError(f"{source} does not fit its architecture: {found}.")


def _same_kind(tensor: Tensor, expected: Tensor) -> bool:
    return (
        tensor.layout is torch.strided
        and tensor.device.type == "cpu"
        and not tensor.is_quantized
        and tensor.is_floating_point() == expected.is_floating_point()
        and not tensor.is_complex()
    )


def _shape(tensor: Tensor) -> str:
    return shown("x".join(str(size) for size in tensor.shape)) or "scalar"


def _listed(what: str, names: Iterable[str]) -> str:
    found = list(names)
    if not found:
        return ""
    more = f", … {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{len(found)} {what} ({', '.join(found[:SHOWN])}{more})"
