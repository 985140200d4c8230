"""A copy of a network that only answers: the same sums in fewer passes over memory.

Batch normalisation becomes part of the convolution before it. On CPUs, oneDNN does activations and the sums
of residual blocks while the result of the convolution is still in the cache. Logits differ by rounding.
Shapes: B batch, C channels, H and W a feature map.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TypeGuard, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ritm_model.networks.blocks import BasicBlock, Bottleneck
from ritm_model.networks.model import InteractiveModel

_logger = logging.getLogger(__name__)

ModelT = TypeVar("ModelT", bound=InteractiveModel)

PROBE_SIZE = (61, 83)
TOLERANCE = 1e-3  # of the largest logit
ROUNDINGS = 50  # so many of the smallest steps of numbers shorter than float32
# What a network of somebody else may raise that was changed in a way it does not expect.
CANNOT_RUN = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)

# What oneDNN can do to a result before it writes it, and with which numbers.
ACTIVATIONS: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.Hardswish: ("hardswish", []),
}


@dataclass(frozen=True, slots=True)
class Rewriting:
    """Which changes are made.

    Attributes:
        by_name: outside sequentials, too, where a normalisation is found by its name.
        onednn: use the routines of oneDNN.
    """

    by_name: bool
    onednn: bool


def inference_copy(model: ModelT, device: str | torch.device = "cpu") -> ModelT:
    """Copy a network in eval mode and without gradients to a device; it is left as it is itself.

    Copying a network takes longer than a run of it: copy no more than needed.
    """
    copy = deepcopy(model).eval().requires_grad_(False).to(device)
    return copy.to(memory_format=torch.channels_last)


def prepared(model: ModelT) -> ModelT:
    """Copy a network for inference on the device where it is.

    The copy has no gradients and cannot be trained or saved. On CPUs it is faster by a third or so; with one
    thread by more, because PyTorch then computes small convolutions by a slower routine of its own.

    The copy answers as the network does: both are compared on a probe, and where they disagree, or where the
    copy cannot run, fewer changes are made, at last none. The log says so.

    Args:
        model: on any device; it is not changed.
    """
    weight = next(model.parameters())
    onednn = weight.device.type == "cpu" and weight.dtype == torch.float32 and _has_onednn()
    is_ready = weight.device.type == "cpu" and not any(part.training for part in model.modules())
    try:
        expected = _probe(model if is_ready else inference_copy(model, "cpu"))
    except CANNOT_RUN as error:
        _logger.warning("%s runs as it is, for it cannot be probed: %s", _named(model), error)
        return inference_copy(model, weight.device)
    for rewriting in dict.fromkeys(
        (Rewriting(True, onednn), Rewriting(False, onednn), Rewriting(True, False), Rewriting(False, False))
    ):
        copy = inference_copy(model, "cpu")
        try:
            _rewrite(copy, rewriting)
            answer = _probe(copy)
        except CANNOT_RUN as error:
            _logger.info("%s cannot run with %s: %s", _named(model), rewriting, error)
            continue
        if _agree(answer, expected):
            return copy.to(weight.device)
    _logger.warning("%s runs as it is: no faster copy answers the same.", _named(model))
    return inference_copy(model, weight.device)


def _named(model: InteractiveModel) -> str:
    return f"The network {type(model).__name__}"


def _has_onednn() -> bool:
    """Whether PyTorch has the routines here; they are not part of its public interface."""
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


def _probe(model: InteractiveModel) -> dict[str, Tensor]:
    """What a network on the CPU answers to noise and two clicks. The sizes are odd and no multiples."""
    random = torch.Generator().manual_seed(0)
    image_BCHW = torch.rand(1, 3 + model.with_prev_mask, *PROBE_SIZE, generator=random)
    points_BP3 = torch.tensor([[[20.0, 30.5, 0.0], [9.0, 50.0, 1.0]]])
    with torch.inference_mode():
        outputs: dict[str, Tensor] = model(image_BCHW.to(next(model.parameters()).dtype), points_BP3)
        return outputs


def _agree(answer: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    """Whether two answers are the same but for rounding; numbers that are not finite never are."""
    if answer.keys() != expected.keys():
        return False
    for name, wanted in expected.items():
        tolerance = max(TOLERANCE, ROUNDINGS * torch.finfo(wanted.dtype).eps)
        allowed = tolerance * max(1.0, float(wanted.abs().max()))
        if answer[name].shape != wanted.shape or not bool(((answer[name] - wanted).abs() <= allowed).all()):
            return False
    return True


class FusedConv(nn.Module):
    """A convolution, its normalisation, the sum with another map and an activation, in one go."""

    def __init__(
        self, conv: nn.Conv2d, norm: nn.Module | None, activation: nn.Module | None, *, onednn: bool
    ) -> None:
        super().__init__()
        self._conv = fuse_conv_bn_eval(conv, norm) if isinstance(norm, nn.BatchNorm2d) else conv
        self._conv.requires_grad_(False)
        self._activation = activation
        # oneDNN pads with zeros, by the same number of pixels on both sides.
        self._onednn = onednn and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)

    def forward(self, x_BCHW: Tensor, plus_BCHW: Tensor | None = None) -> Tensor:
        """Compute `activation(conv(x) + plus)`."""
        if self._onednn:
            return self._by_onednn(x_BCHW, plus_BCHW)
        out_BCHW: Tensor = self._conv(x_BCHW)
        if plus_BCHW is not None:
            out_BCHW += plus_BCHW
        return out_BCHW if self._activation is None else self._activation(out_BCHW)

    def _by_onednn(self, x_BCHW: Tensor, plus_BCHW: Tensor | None) -> Tensor:
        conv = self._conv
        name, numbers = (None, []) if self._activation is None else ACTIVATIONS[type(self._activation)]
        how = (conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation, conv.groups)
        run = torch.ops.mkldnn._convolution_pointwise
        out_BCHW: Tensor
        if plus_BCHW is None:
            out_BCHW = run.default(x_BCHW, *how, name or "none", numbers, "")
        else:
            out_BCHW = run.binary(x_BCHW, plus_BCHW, *how, "add", None, name, numbers, "")
        return out_BCHW


class FusedBlock(nn.Module):
    """A residual block: the sum and the last ReLU are part of its last convolution."""

    def __init__(self, block: BasicBlock | Bottleneck, how: Rewriting) -> None:
        super().__init__()
        pairs = [(block.conv1, block.bn1), (block.conv2, block.bn2)]
        if isinstance(block, Bottleneck):
            pairs.append((block.conv3, block.bn3))
        *first, self._last = (FusedConv(conv, norm, block.relu, onednn=how.onednn) for conv, norm in pairs)
        self._first = nn.Sequential(*first)
        self._shortcut = block.downsample
        _rewrite(self._shortcut, how)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        out_BCHW: Tensor = self._last(self._first(x_BCHW), self._shortcut(x_BCHW))
        return out_BCHW


def _rewrite(module: nn.Module, how: Rewriting) -> None:
    """Replace what is below a module, in place."""
    if _is_sequence(module):
        steps = list(_fused(list(_steps(module)), onednn=how.onednn))
        del module[:]
        module.extend(steps)
    for name, child in list(module.named_children()):
        if isinstance(child, BasicBlock | Bottleneck):
            setattr(module, name, FusedBlock(child, how))
        elif isinstance(child, nn.Conv2d):
            _rewrite_named(module, name, child, how)
        elif not isinstance(child, FusedConv):
            _rewrite(child, how)


def _rewrite_named(module: nn.Module, name: str, conv: nn.Conv2d, how: Rewriting) -> None:
    """Outside sequentials, a normalisation goes by the number of its convolution."""
    norm_name = name.replace("conv", "bn")
    norm = getattr(module, norm_name, None) if how.by_name and norm_name != name else None
    setattr(module, name, FusedConv(conv, norm, None, onednn=how.onednn))
    if norm is not None:
        setattr(module, norm_name, nn.Identity())


def _is_sequence(module: nn.Module) -> TypeGuard[nn.Sequential]:
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def _steps(sequence: nn.Sequential) -> Iterator[nn.Module]:
    """The steps of a sequence; normalisation and activation may be a sequence of their own."""
    for step in sequence:
        if _is_sequence(step) and isinstance(next(iter(step), None), nn.BatchNorm2d):
            yield from step
        else:
            yield step


def _fused(steps: Sequence[nn.Module], *, onednn: bool) -> Iterator[nn.Module]:
    """Join every convolution with the normalisation and the activation that follow it."""
    left = list(steps)
    while left:
        step = left.pop(0)
        if isinstance(step, nn.Conv2d):
            norm = left.pop(0) if left and isinstance(left[0], nn.BatchNorm2d) else None
            activation = left.pop(0) if left and type(left[0]) in ACTIVATIONS else None
            step = FusedConv(step, norm, activation, onednn=onednn)
        yield step
