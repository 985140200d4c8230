"""The search for parameters that make the network agree with the clicks, with L-BFGS.

Shapes: B batch, H x W the network's view.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ritm_model.errors import BRSError
from ritm_model.inference.brs.disagreement import ClickMasks, disagreement

Params = npt.NDArray[np.float64]
Answer = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From parameters to B x 1 x H x W logits and a penalty."""

EVALUATIONS = 20
"""How often the network is run to search for one answer, at most, unless the user says otherwise."""

SETTLED_IOU = 0.99
"""Masks that overlap more than this from one try to the next are taken for the same."""


class Search:
    """The function to minimise, and the best answer met on the way.

    It ends the search by an all-zero gradient: when every click is met, the mask has settled, or
    time is over.

    Args:
        answer: the function's logits and penalty.
        masks: what the clicks claim.
        threshold: pixels above this probability form the mask.
        is_over: whether there is no more time; asked after each run of the network.

    Attributes:
        best_logits_B1HW: of the answer that agrees best with the clicks.
        is_cut_short: whether time was over before the search had ended.
    """

    def __init__(
        self, answer: Answer, masks: ClickMasks, threshold: float, is_over: Callable[[], bool] = lambda: False
    ) -> None:
        self._answer = answer
        self._masks = masks
        self._threshold = threshold
        self._is_over = is_over
        self.is_cut_short = False
        self._best_loss = float("inf")
        self._last_mask_B1HW: Tensor | None = None
        self.best_logits_B1HW: Tensor | None = None

    def __call__(self, params: Params) -> tuple[float, Params]:
        """Loss and its gradient."""
        variables = torch.from_numpy(params).float().to(self._masks.positive_B1HW.device).requires_grad_()
        with torch.enable_grad():
            logits_B1HW, penalty = self._answer(variables)
            probability_B1HW = logits_B1HW.sigmoid()
            found = disagreement(probability_B1HW, self._masks)
            loss = found.loss + penalty
        value = float(loss.detach())
        if self.best_logits_B1HW is None or value < self._best_loss:
            self._best_loss, self.best_logits_B1HW = value, logits_B1HW.detach()

        if found.worst_positive < 1 - self._threshold and found.worst_negative < self._threshold:
            return value, np.zeros_like(params)
        mask_B1HW = probability_B1HW.detach() > self._threshold
        if self._last_mask_B1HW is not None and _settled(mask_B1HW, self._last_mask_B1HW):
            return value, np.zeros_like(params)
        if self._is_over():
            self.is_cut_short = True
            return value, np.zeros_like(params)
        self._last_mask_B1HW = mask_B1HW
        (gradient,) = torch.autograd.grad(loss, variables)
        return value, gradient.cpu().double().numpy()


def _settled(mask_B1HW: Tensor, last_B1HW: Tensor) -> bool:
    """Whether two masks are the same; empty ones do not count, for there is something left to be found."""
    either_B = (mask_B1HW | last_B1HW).float().mean(dim=(1, 2, 3))
    both_B = (mask_B1HW & last_B1HW).float().mean(dim=(1, 2, 3))
    iou = both_B[either_B > 0] / either_B[either_B > 0]
    return bool(len(iou)) and float(iou.mean()) > SETTLED_IOU


def minimise(search: Search, start: Params, evaluations: int = EVALUATIONS) -> Params:
    """Search from `start` until the search ends or has used up its evaluations; where it stood last."""
    found: Params = l_bfgs()(
        search, start, m=20, factr=0, pgtol=1e-8, maxfun=evaluations, maxiter=2 * evaluations
    )[0]
    return found


def l_bfgs() -> Callable[..., Any]:
    """SciPy's optimiser.

    Raises:
        BRSError: SciPy is not installed.
    """
    try:
        from scipy.optimize import fmin_l_bfgs_b
    except ImportError:
        raise BRSError('The BRS modes need SciPy; install it with: pip install "ritm[benchmarks]"') from None
    return fmin_l_bfgs_b  # type: ignore[no-any-return]
