"""Batch normalisation by the statistics of the whole batch, when processes share it.

PyTorch's own `SyncBatchNorm` needs GPUs. Shapes: B batch, C channels, H and W the feature map.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd import Function

from ritm_model.learning.loop.distributed import World
from ritm_model.networks import InteractiveModel


class SharedSum(Function):
    """Sum a tensor over the processes; the gradient is summed as well."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ARG004  (nothing is kept for the way back)
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation in which all processes look at all samples, on any device.

    In eval mode, and in its keys, it is `nn.BatchNorm2d`.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        x_BCHW = input.float()
        pixels = x_BCHW.numel() // x_BCHW.shape[1] * distributed.get_world_size()
        mean_1C11 = _summed(x_BCHW) / pixels
        variance_1C11 = _summed((x_BCHW - mean_1C11).square()) / pixels
        with torch.no_grad():
            self.num_batches_tracked += 1
            unbiased = variance_1C11 * (pixels / max(pixels - 1, 1))
            self.running_mean.lerp_(mean_1C11.flatten(), self.momentum)
            self.running_var.lerp_(unbiased.flatten(), self.momentum)
        out = (x_BCHW - mean_1C11) * (variance_1C11 + self.eps).rsqrt()
        shape = mean_1C11.shape
        return (out * self.weight.view(shape) + self.bias.view(shape)).to(input.dtype)


def synchronise(model: InteractiveModel, world: World) -> InteractiveModel:
    """Let every batch normalisation of a model see the samples of all processes; the model is changed."""
    if world.size == 1:
        return model
    if world.device.type == "cuda":
        converted: InteractiveModel = nn.SyncBatchNorm.convert_sync_batchnorm(  # type: ignore[no-untyped-call]
            model
        )
        return converted
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm2d  # the same attributes, another forward
    return model


def average_statistics(model: nn.Module, world: World) -> None:
    """Give every process the mean of all running statistics, which unsynchronised layers let drift apart."""
    if world.size == 1:
        return
    buffers = [
        buffer for name, buffer in model.named_buffers() if name.endswith(("running_mean", "running_var"))
    ]
    means = world.mean(torch.cat([buffer.flatten() for buffer in buffers]))
    parts = torch.split(means, [buffer.numel() for buffer in buffers])
    with torch.no_grad():
        for buffer, mean in zip(buffers, parts, strict=True):
            buffer.copy_(mean.view_as(buffer))


def keep_statistics(model: nn.Module) -> Callable[[], None]:
    """Copy the buffers of a model, all of a type at once; what is returned puts them back."""
    by_type: dict[torch.dtype, list[Tensor]] = defaultdict(list)
    for buffer in model.buffers():
        by_type[buffer.dtype].append(buffer)
    kept = {dtype: torch.cat([buffer.flatten() for buffer in buffers]) for dtype, buffers in by_type.items()}

    def put_back() -> None:
        for dtype, buffers in by_type.items():
            parts = torch.split(kept[dtype], [buffer.numel() for buffer in buffers])
            for buffer, part in zip(buffers, parts, strict=True):
                buffer.copy_(part.view_as(buffer))

    return put_back


def _summed(x_BCHW: Tensor) -> Tensor:
    summed: Tensor = SharedSum.apply(x_BCHW.sum((0, 2, 3), keepdim=True))
    return summed
