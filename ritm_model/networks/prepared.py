"""A copy of a network that only answers: the same sums in fewer passes over memory.

Batch normalisation becomes part of the convolution before it. On CPUs, oneDNN does activations and the sums
of residual blocks while the result of the convolution is still in the cache. Logits differ by rounding.
Shapes: B batch, C channels, H and W a feature map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ritm_model.networks.blocks import BasicBlock, Bottleneck

ModuleT = TypeVar("ModuleT", bound=nn.Module)

# What oneDNN can do to a result before it writes it, and with which numbers.
ACTIVATIONS: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.Hardswish: ("hardswish", []),
}


def prepared(model: ModuleT) -> ModuleT:
    """Copy a network for inference on the device where it is.

    The copy has no gradients and cannot be trained or saved. On CPUs it is faster by a third or so; with one
    thread by more, because PyTorch then computes small convolutions by a slower routine of its own.

    Args:
        model: in eval mode.
    """
    copy = deepcopy(model).requires_grad_(False).to(memory_format=torch.channels_last)
    on_cpu = all(
        weight.device.type == "cpu" and weight.dtype == torch.float32 for weight in copy.parameters()
    )
    _rewrite(copy, onednn=on_cpu and torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    return copy


class FusedConv(nn.Module):
    """A convolution, its normalisation, the sum with another map and an activation, in one go."""

    def __init__(
        self, conv: nn.Conv2d, norm: nn.Module | None, activation: nn.Module | None, *, onednn: bool
    ) -> None:
        super().__init__()
        self._conv = fuse_conv_bn_eval(conv, norm) if isinstance(norm, nn.BatchNorm2d) else conv
        self._conv.requires_grad_(False)
        self._activation = activation
        self._onednn = onednn

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

    def __init__(self, block: BasicBlock | Bottleneck, *, onednn: bool) -> None:
        super().__init__()
        pairs = [(block.conv1, block.bn1), (block.conv2, block.bn2)]
        if isinstance(block, Bottleneck):
            pairs.append((block.conv3, block.bn3))
        *first, self._last = (FusedConv(conv, norm, block.relu, onednn=onednn) for conv, norm in pairs)
        self._first = nn.Sequential(*first)
        self._shortcut = block.downsample
        _rewrite(self._shortcut, onednn=onednn)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        out_BCHW: Tensor = self._last(self._first(x_BCHW), self._shortcut(x_BCHW))
        return out_BCHW


def _rewrite(module: nn.Module, *, onednn: bool) -> None:
    """Replace what is below a module, in place."""
    if isinstance(module, nn.Sequential):
        steps = list(_fused(list(_steps(module)), onednn=onednn))
        del module[:]
        module.extend(steps)
    for name, child in list(module.named_children()):
        if isinstance(child, BasicBlock | Bottleneck):
            setattr(module, name, FusedBlock(child, onednn=onednn))
        elif isinstance(child, nn.Conv2d):
            # Outside sequentials, a normalisation goes by the number of its convolution.
            norm_name = name.replace("conv", "bn")
            norm = getattr(module, norm_name, None) if norm_name != name else None
            setattr(module, name, FusedConv(child, norm, None, onednn=onednn))
            if norm is not None:
                setattr(module, norm_name, nn.Identity())
        elif not isinstance(child, FusedConv):
            _rewrite(child, onednn=onednn)


def _steps(sequence: nn.Sequential) -> Iterator[nn.Module]:
    """The steps of a sequence; normalisation and activation may be a sequence of their own."""
    for step in sequence:
        if isinstance(step, nn.Sequential) and isinstance(next(iter(step), None), nn.BatchNorm2d):
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
