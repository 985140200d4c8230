"""A second device for machines that have none: it computes on the CPU and refuses what a GPU refuses.

Within `second_device()`, PyTorch's device "meta" has values. Its tensors cannot be mixed with those of the
CPU, nor read as NumPy arrays, unless they are moved first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("meta")
aten = torch.ops.aten
# What may move values from one device to another, and what may be told of places by indices on the CPU.
MOVES = (aten._to_copy, aten.to, aten.copy_)  # `to` is what inference mode calls
INDEXED = (aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_)
# What the host waits for on a GPU: numbers that it is told, and results whose size depends on values.
WAITED_FOR = (aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.equal)


@dataclass
class Work:
    """What was asked of the second device.

    Attributes:
        launches: operations that compute; each is a kernel or a few of them on a GPU.
        waits: how often the host had to wait for a result.
        uploads: copies from the CPU to the device.
        uploaded: bytes of them; left out when work is compared, since they grow with the batch.
    """

    launches: int = 0
    waits: int = 0
    uploads: int = 0
    uploaded: int = field(default=0, compare=False)


done = Work()
"""All work of the device in this process; take the difference of two moments."""


class MixedDevices(Exception):  # noqa: N818  (not an error that code should expect: RuntimeError is caught)
    """An operation got tensors of both devices."""


class There(Tensor):
    """A tensor of the second device; its values are kept in another one."""

    here: Tensor
    is_meta = False  # it has values, so weights can be loaded

    @staticmethod
    def __new__(cls, here: Tensor) -> There:
        made: There = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            here.size(),
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=DEVICE,
        )
        made.here = here
        return made

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"There({self.here!r})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.here.__reduce_ex__(protocol)  # files hold values, and are read onto the CPU

    def tolist(self) -> Any:
        done.waits += 1
        return self.here.tolist()

    @classmethod
    def __torch_dispatch__(
        cls,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return computed(func, args, dict(kwargs or {}))


class _Second(TorchDispatchMode):
    """Sees what no tensor of the second device takes part in: moving to it, and making tensors on it."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return computed(func, args, dict(kwargs or {}))


@contextmanager
def second_device() -> Iterator[torch.device]:
    """Within it, there is a second device."""
    with _Second():
        yield DEVICE


def computed(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Compute on the CPU what is asked of either device; results are where a GPU would have them.

    Raises:
        MixedDevices: a GPU would have refused it.
    """
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    theirs = [tensor for tensor in tensors if isinstance(tensor, There)]
    asked = next((leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.device)), None)
    packet = func.overloadpacket
    if theirs and packet not in MOVES:
        checked = [args[0]] if packet in INDEXED and isinstance(args[0], There) else tensors
        # As on GPUs, a single number may come from the CPU.
        mixed = [each for each in checked if not isinstance(each, There) and each.dim() > 0]
        if mixed:
            shapes = [tuple(each.shape) for each in mixed]
            raise MixedDevices(f"{func} got tensors of the CPU, {shapes}, together with some of {DEVICE}")
    if packet is aten.copy_:
        is_there = isinstance(args[0], There)
    elif asked is not None:
        is_there = asked.type == DEVICE.type
    else:
        is_there = bool(theirs)
    inner_args, inner_kwargs = tree_map(_here, (args, kwargs))
    result = func(*inner_args, **inner_kwargs)
    if theirs:
        done.launches += not func.is_view
        done.waits += packet in WAITED_FOR or (packet in MOVES and not is_there) or _chooses(packet, args)
    if not is_there:
        return result
    if packet in MOVES:
        sources = [each for each in tensors[-1:] if not isinstance(each, There)]
        done.uploads += len(sources)
        done.uploaded += sum(source.nbytes for source in sources)
    known = {id(tensor.here): tensor for tensor in theirs}  # what works in place gives its argument back

    def wrapped(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        if id(leaf) in known:
            return known[id(leaf)]
        if not (func.is_view and theirs):
            return There(leaf)
        with torch.inference_mode(theirs[0].is_inference()):  # as what it is a view of
            return There(leaf)

    return tree_map(wrapped, result)


def _chooses(packet: Any, args: tuple[Any, ...]) -> bool:
    """Whether places are given as a mask, whose number nobody knows beforehand."""
    if packet not in INDEXED:
        return False
    return any(isinstance(each, There) and each.dtype == torch.bool for each in tree_leaves(args[1]))


def _here(leaf: Any) -> Any:
    if isinstance(leaf, torch.device):
        return torch.device("cpu")
    return leaf.here if isinstance(leaf, There) else leaf
