"""The losses of the paper and of its ablations: one number per sample.

All take logits and labels of the same shape; a label is 1 on the object, 0 off it, and -1 where nothing
counts. Shapes: B batch, C channels (1), H and W the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = -1
PIXELS = (1, 2, 3)


class Loss(Protocol):
    """Anything that turns logits and labels, B x 1 x H x W, into a loss per sample, B."""

    def __call__(self, logits_BCHW: Tensor, label_BCHW: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class FocalTerms:
    """What the focal loss is made of, B x C x H x W unless it says otherwise.

    Attributes:
        log_right: logarithm of the probability of the right answer, 0 on ignored pixels.
        balance: weight of the class of the pixel.
        hardness: (1 - probability of the right answer) ** gamma, times the multiplier.
        counts: 1 where the pixel counts, else 0.
        multiplier_BC11: number of pixels over the sum of their hardness.
    """

    log_right: Tensor
    balance: Tensor
    hardness: Tensor
    counts: Tensor
    multiplier_BC11: Tensor


@dataclass(frozen=True, slots=True)
class NormalizedFocalLoss:
    """The focal loss, scaled so that its weights over an image sum up as those of cross entropy do.

    It looks at hard pixels without its gradient fading as the model gets better.

    Attributes:
        alpha: weight of the object's pixels; the others have 1 - alpha.
        gamma: how much easy pixels are played down.
        max_mult: no pixel gets a larger weight; None for no limit.
        detach: let no gradient through the scaling.
    """

    alpha: float = 0.5
    gamma: float = 2.0
    max_mult: float | None = None
    detach: bool = True
    eps: float = 1e-12

    def __call__(self, logits_BCHW: Tensor, label_BCHW: Tensor) -> Tensor:
        terms = self.terms(logits_BCHW, label_BCHW)
        loss = -terms.balance * terms.hardness * terms.log_right * terms.counts
        return loss.sum(PIXELS) / (terms.counts.sum(PIXELS) + self.eps)

    @torch.no_grad()
    def scales(self, logits_BCHW: Tensor, label_BCHW: Tensor) -> Tensor:
        """What a monitor wants to know of every sample.

        Returns:
            3 x B: the multiplier, the largest weight of a pixel, and 1 where no pixel is ignored.
        """
        terms = self.terms(logits_BCHW, label_BCHW)
        multiplier_B, largest_B = terms.multiplier_BC11.mean(PIXELS), terms.hardness.amax(PIXELS)
        return torch.stack([multiplier_B, largest_B, terms.counts.amin(PIXELS)])

    def terms(self, logits_BCHW: Tensor, label_BCHW: Tensor) -> FocalTerms:
        """Compute the parts that `__call__` multiplies."""
        counts = (label_BCHW != IGNORED).to(logits_BCHW.dtype)
        wrong = (label_BCHW - logits_BCHW.sigmoid()).abs() * counts
        hardness = wrong**self.gamma
        pixels_BC11 = counts.sum((2, 3), keepdim=True)
        multiplier = pixels_BC11 / (hardness.sum((2, 3), keepdim=True) + self.eps)
        if self.detach:
            multiplier = multiplier.detach()
        hardness = hardness * multiplier
        if self.max_mult is not None:
            hardness = hardness.clamp(max=self.max_mult)
        return FocalTerms(
            log_right=(1 - wrong + self.eps).clamp(max=1.0).log(),
            balance=torch.where(label_BCHW > 0.5, self.alpha, 1 - self.alpha),
            hardness=hardness,
            counts=counts,
            multiplier_BC11=multiplier,
        )


@dataclass(frozen=True, slots=True)
class FocalMonitor:
    """Running means that tell how far the scaling of the normalised focal loss goes, for the log.

    Attributes:
        k: of the multiplier.
        m: of the largest weight that a pixel of an image has.
    """

    k: float = 0.0
    m: float = 0.0

    def updated(self, scales_3B: Tensor) -> FocalMonitor:
        """Take in the `scales` of a batch, unless all its samples have ignored pixels; k leaves those out."""
        multiplier_B, largest_B, whole_B = scales_3B
        if not whole_B.any():
            return self
        k, m = float(multiplier_B[whole_B > 0].mean()), float(largest_B.mean())
        return FocalMonitor(0.9 * self.k + 0.1 * k, 0.8 * self.m + 0.2 * m)


@dataclass(frozen=True, slots=True)
class FocalLoss:
    """The focal loss as it was first published, averaged over the pixels that count."""

    alpha: float = 0.25
    gamma: float = 2.0
    eps: float = 1e-9

    def __call__(self, logits_BCHW: Tensor, label_BCHW: Tensor) -> Tensor:
        counts = (label_BCHW != IGNORED).to(logits_BCHW.dtype)
        wrong = (label_BCHW - logits_BCHW.sigmoid()).abs() * counts
        balance = torch.where(label_BCHW > 0.5, self.alpha, 1 - self.alpha)
        loss = -balance * wrong**self.gamma * (1 - wrong + self.eps).clamp(max=1.0).log() * counts
        return loss.sum(PIXELS) / (counts.sum(PIXELS) + self.eps)


@dataclass(frozen=True, slots=True)
class SoftIoU:
    """One minus the IoU of soft masks."""

    eps: float = 1e-8

    def __call__(self, logits_BCHW: Tensor, label_BCHW: Tensor) -> Tensor:
        counts = (label_BCHW != IGNORED).to(logits_BCHW.dtype)
        probability = logits_BCHW.sigmoid()
        common = (probability * label_BCHW * counts).sum(PIXELS)
        either = (torch.maximum(probability, label_BCHW) * counts).sum(PIXELS)
        return 1 - common / (either + self.eps)


@dataclass(frozen=True, slots=True)
class BinaryCrossEntropy:
    """Cross entropy averaged over all pixels, the ignored ones counted with a loss of 0."""

    def __call__(self, logits_BCHW: Tensor, label_BCHW: Tensor) -> Tensor:
        loss = functional.binary_cross_entropy_with_logits(
            logits_BCHW, label_BCHW.clamp(min=0.0), reduction="none"
        )
        return (loss * (label_BCHW != IGNORED)).mean(PIXELS)
