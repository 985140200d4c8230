"""What is told of a run while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ritm_model.learning.loop.trainer import Trainer


class Callback:
    """Override what you need. Under `torchrun` every process calls it; see `trainer.world.is_first`.

    What a callback may read of the trainer: `step` and `epoch` that are done, `last_loss`, `validation` (IoU
    after 1, 2, … clicks at the end of the last epoch), `model`, and `ema_model`, which is what is saved.
    """

    def after_step(self, trainer: Trainer) -> None:
        """Called when the weights have changed."""

    def after_epoch(self, trainer: Trainer) -> None:
        """Called when an epoch is validated and the model is written."""
