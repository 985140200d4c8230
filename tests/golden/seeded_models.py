"""The networks of the golden logits, with weights that follow from the names of their parameters."""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch

from ritm_model.networks import InteractiveModel, build

HRNET = {
    "use_rgb_conv": False,
    "use_leaky_relu": True,
    "use_disks": True,
    "norm_radius": 5,
    "with_aux_output": True,
}
DEEPLAB = {**HRNET, "with_aux_output": False, "backbone": "resnet34", "deeplab_ch": 128, "aspp_dropout": 0.2}
SEEDED_MODELS: dict[str, tuple[str, dict[str, object]]] = {
    "h18s_itm": ("hrnet", {**HRNET, "width": 18, "ocr_width": 48, "small": True, "with_prev_mask": True}),
    "h18_itm": ("hrnet", {**HRNET, "width": 18, "ocr_width": 64, "with_prev_mask": True}),
    "h18_base": ("hrnet", {**HRNET, "width": 18, "ocr_width": 64}),
    "h32_itm": ("hrnet", {**HRNET, "width": 32, "ocr_width": 128, "with_prev_mask": True}),
    "r34_base": ("deeplab", DEEPLAB),
}


def seeded_model(name: str) -> InteractiveModel:
    """Make a model by its name, in eval mode and without gradients."""
    model = build(*SEEDED_MODELS[name])
    state = model.state_dict()
    normalisations = {key.rpartition(".")[0] for key in state if key.endswith(".running_mean")}
    model.load_state_dict(
        {
            key: _seeded_tensor(key, tuple(value.shape), key.rpartition(".")[0] in normalisations)
            for key, value in state.items()
        }
    )
    return model.eval().requires_grad_(False)


def _seeded_tensor(key: str, shape: tuple[int, ...], in_normalisation: bool) -> torch.Tensor:
    random = np.random.RandomState(zlib.crc32(key.encode()))
    count = math.prod(shape)
    kind = key.rpartition(".")[2]
    if kind == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    if kind == "scale":
        values = np.full(count, 0.5)
    elif kind == "running_var":
        values = 0.5 + random.random_sample(count)
    elif kind in ("running_mean", "bias"):
        values = 0.1 * random.standard_normal(count)
    elif in_normalisation:
        values = 0.3 + 0.4 * random.random_sample(count)
    else:
        values = random.standard_normal(count) * math.sqrt(2 / math.prod(shape[1:]))
    return torch.from_numpy(values.reshape(shape).astype(np.float32))
