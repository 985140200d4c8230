"""What a recipe changes step by step: the weights, and what is kept beside them.

Every random number of a step follows from the recipe's seed and the number of the step, so that a run that
was killed and goes on from its checkpoint ends with the same weights as one that was not.
"""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import torch

from ritm_model.checkpoints import TrainingCard, save_model
from ritm_model.learning.errors import TrainingError
from ritm_model.learning.losses import (
    BinaryCrossEntropy,
    FocalLoss,
    Loss,
    NormalizedFocalLoss,
    SoftIoU,
)
from ritm_model.learning.metrics import AdaptiveIoU
from ritm_model.learning.optimiser import (
    Average,
    cosine_factor,
    make_optimiser,
    milestone_factor,
    set_learning_rate,
)
from ritm_model.learning.recipes import Recipe
from ritm_model.learning.recipes.schema import LossName
from ritm_model.learning.run_folder import RunFolder
from ritm_model.learning.starting import make_model
from ritm_model.learning.step import Batch, Objective, interact, learn
from ritm_model.learning.validation import Question, validate

LOSSES: dict[LossName, Loss] = {
    "normalized_focal": NormalizedFocalLoss(alpha=0.5, gamma=2),
    "focal": FocalLoss(alpha=0.5, gamma=2),
    "cross_entropy": BinaryCrossEntropy(),
    "soft_iou": SoftIoU(),
}


class Trainer:
    """What changes while a recipe is followed: the weights, and what is kept beside them."""

    def __init__(self, recipe: Recipe, folder: RunFolder) -> None:
        self.recipe = recipe
        self.folder = folder
        self.model = make_model(recipe)
        self.mean_model = make_model(recipe).requires_grad_(False)
        part = recipe.optimiser
        self.optimiser = make_optimiser(self.model, part.name, part.learning_rate, part.weight_decay)
        self.base_lrs = [float(group["lr"]) for group in self.optimiser.param_groups]
        self.average = Average(self.model, part.average) if part.average else None
        self.objective = Objective(
            LOSSES[recipe.loss.instance],
            recipe.loss.instance_weight,
            auxiliary_weight=recipe.loss.auxiliary_weight,
        )
        self.iou = AdaptiveIoU()
        self.step = 0  # steps that are done
        self.epoch = 0  # epochs that are finished, validation included
        self._lines: list[dict[str, float]] = []
        self._logged_at = time.monotonic()

    def learn(self, batch: Batch) -> None:
        """Make one step.

        Raises:
            TrainingError: the loss is not finite; the batch is saved and the weights are left as they were.
        """
        recipe, step = self.recipe, self.step
        random = np.random.default_rng((recipe.seed, 1, step))
        torch.manual_seed(int(random.integers(2**62)))
        factor = self._lr_factor()
        set_learning_rate(self.optimiser, self.base_lrs, factor)

        self.model.train()
        if recipe.channels_last:
            image = batch.image_B3HW.contiguous(memory_format=torch.channels_last)
            batch = dataclasses.replace(batch, image_B3HW=image)
        clicks = int(random.integers(recipe.clicks.corrective + 1))
        interaction = interact(self.model, batch, clicks, random)
        outcome = learn(self.model, batch, interaction, self.objective)
        self.optimiser.zero_grad(set_to_none=True)
        outcome.total.backward()  # type: ignore[no-untyped-call]
        limit = recipe.optimiser.clip_norm or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        if not (outcome.total.isfinite() and norm.isfinite()):
            self._stop(batch, clicks)
        self.optimiser.step()
        if self.average:
            self.average.update(self.model, step)

        self.step += 1
        self.iou = self.iou.updated(outcome.logits_B1HW.detach(), batch.truth_B1HW)
        values = {name: float(value.detach()) for name, value in outcome.parts.items()}
        values["loss"] = float(outcome.total.detach())
        values["gradient_norm"] = float(norm)
        self._lines.append(values)
        if self.step % recipe.log_steps == 0:
            self._log(recipe.optimiser.learning_rate * factor)

    def finish_epoch(self, asked: tuple[Question, ...], card: TrainingCard) -> None:
        """Validate, write the model out and save everything."""
        recipe = self.recipe
        source = self.average.state if self.average else self.model.state_dict()
        self.mean_model.load_state_dict(source)
        self.epoch += 1
        line: dict[str, object] = {"step": self.step, "epoch": self.epoch, "epoch_iou": self.iou.mean}
        if asked:
            ious = validate(self.mean_model, asked, recipe.data.crop, recipe.validation.clicks)
            rounded = [round(iou, 4) for iou in ious.tolist()]
            line["validation_iou"] = rounded
            names = (f"validation IoU after {clicks}" for clicks in range(1, len(rounded) + 1))
            card = card.model_copy(update={"metrics": dict(zip(names, rounded, strict=True))})
        self.iou = self.iou.new_epoch()
        save_model(self.folder.model, self.mean_model, card, half=True)
        self.folder.log(line)
        self.save()
        self._logged_at = time.monotonic()

    def save(self) -> None:
        """Write the checkpoint."""
        self.folder.save(
            self.folder.checkpoint,
            {
                "step": self.step,
                "epoch": self.epoch,
                "model": self.model.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "average": self.average.state if self.average else None,
                "iou": dataclasses.asdict(self.iou),
                "lines": self._lines,
                "logged": self.folder.logged(),
            },
        )

    def resume(self) -> None:
        """Go back to the checkpoint, if there is one."""
        state = self.folder.load_checkpoint()
        if state is None:
            self.folder.forget_after(0)
            return
        self.step, self.epoch = state["step"], state["epoch"]
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average:
            self.average.state = state["average"]
        self.iou = AdaptiveIoU(**state["iou"])
        self._lines = state["lines"]
        self.folder.forget_after(state["logged"])

    def _lr_factor(self) -> float:
        part, recipe = self.recipe.optimiser, self.recipe
        if part.schedule == "cosine":
            return cosine_factor(self.step, recipe.steps, part.warmup, part.floor)
        milestones = [epoch * recipe.epoch_steps for epoch in part.milestones]
        return milestone_factor(self.step, milestones, part.gamma)

    def _log(self, learning_rate: float) -> None:
        lines, self._lines = self._lines, []
        now = time.monotonic()
        seconds, self._logged_at = now - self._logged_at, now
        means = {name: float(np.mean([line[name] for line in lines])) for name in lines[0]}
        self.folder.log(
            {
                "step": self.step,
                "learning_rate": learning_rate,
                **means,
                "iou": self.iou.running,
                "iou_threshold": self.iou.threshold,
                "samples_per_second": round(len(lines) * self.recipe.batch_size / seconds, 2),
            }
        )

    def _stop(self, batch: Batch, clicks: int) -> None:
        path = self.folder.path / f"not_finite_{self.step}.pt"
        self.folder.save(path, {**dataclasses.asdict(batch), "clicks": clicks})
        raise TrainingError(
            f"The loss or its gradient is not finite at step {self.step}; the batch is in {path}. "
            "A lower learning_rate or a clip_norm may help."
        )
