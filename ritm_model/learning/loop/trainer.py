"""What a recipe changes step by step: the weights, and what is kept beside them.

Every random number of a step follows from the recipe's seed and the number of the step, so that a run that
was killed and goes on from its checkpoint ends with the same weights as one that was not.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel

from ritm_model.checkpoints import TrainingCard, save_model
from ritm_model.errors import TrainingError
from ritm_model.learning.loop.broken import BrokenFiles
from ritm_model.learning.loop.distributed import World
from ritm_model.learning.loop.normalisation import average_statistics, keep_statistics, synchronise
from ritm_model.learning.loop.report import report_step
from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.loop.starting import check_batch, make_model
from ritm_model.learning.loop.stopping import SIGNALS, RunStopped, Stop
from ritm_model.learning.loop.tensorboard import BoardWriter
from ritm_model.learning.loop.workers import workers_of
from ritm_model.learning.recipes import Recipe
from ritm_model.learning.recipes.schema import LossName
from ritm_model.learning.step.losses import (
    BinaryCrossEntropy,
    FocalLoss,
    FocalMonitor,
    Loss,
    NormalizedFocalLoss,
    SoftIoU,
)
from ritm_model.learning.step.metrics import AdaptiveIoU
from ritm_model.learning.step.optimiser import (
    ExponentialMovingAverage,
    cosine_factor,
    group_sizes,
    make_optimiser,
    milestone_factor,
    set_learning_rate,
)
from ritm_model.learning.step.precision import precision_named
from ritm_model.learning.step.step import Batch, Network, Objective, drop_prev_masks, interact, learn
from ritm_model.learning.validation import ValidationObject, validate
from ritm_model.networks import InteractiveModel

_logger = logging.getLogger(__name__)

KEPT_BATCHES = 3  # of skipped steps, to be looked at

LOSSES: dict[LossName, Loss] = {
    "normalized_focal": NormalizedFocalLoss(alpha=0.5, gamma=2),
    "focal": FocalLoss(alpha=0.5, gamma=2),
    "cross_entropy": BinaryCrossEntropy(),
    "soft_iou": SoftIoU(),
}


class Trainer:
    """What changes while a recipe is followed: the weights, and what is kept beside them."""

    def __init__(
        self, recipe: Recipe, folder: RunFolder, world: World | None = None, stop: Stop | None = None
    ) -> None:
        self.recipe = recipe
        self.folder = folder
        self.world = world or World()
        self.stop = stop or Stop()
        self._is_told_to_stop = False  # this process, or another one
        self.share = self.world.share(recipe.batch_size)  # samples of a batch that this process gets
        self.precision = precision_named(recipe.precision, self.world.device)
        self.model = make_model(recipe).to(self.world.device)
        is_shared = recipe.sync_batchnorm and self.world.size > 1
        crops = (recipe.data.crop, *(crop for _, crop in recipe.data.growing))
        check_batch(self.model, recipe.batch_size if is_shared else self.share, min(crops, key=math.prod))
        self.ema_model = make_model(recipe).to(self.world.device).requires_grad_(False)
        self.network = self._spread(self.model)
        self._make_optimiser()
        decay = recipe.optimiser.ema_decay
        self.ema = ExponentialMovingAverage(self.model, decay) if decay else None
        self.objective = Objective(
            LOSSES[recipe.loss.instance],
            recipe.loss.instance_weight,
            auxiliary_weight=recipe.loss.auxiliary_weight,
        )
        self.iou = AdaptiveIoU()
        self.monitor = FocalMonitor()
        self.step = 0  # steps that are done
        self.epoch = 0  # epochs that are finished, validation included
        self.skipped = 0  # steps that nothing was learnt from, because the loss was not finite
        self.broken = BrokenFiles()
        self.board: BoardWriter | None = None
        self.last_loss = 0.0
        self._learning_rate = 0.0
        self.samples_per_second = 0.0  # lately
        self.validation: list[float] = []  # IoU after 1, 2, … clicks at the end of the last epoch
        self._lines: list[dict[str, float]] = []
        self._logged_at = time.monotonic()

    def learn(self, batch: Batch) -> None:
        """Make one step.

        Raises:
            TrainingError: the loss is not finite, and no more such steps may be skipped; the batch is saved
                and the weights are left as they were. Or more files are broken than the recipe allows.
        """
        recipe, step, world = self.recipe, self.step, self.world
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        here, batch = batch, batch.on(world.device, layout)
        random = np.random.default_rng((recipe.seed, 1, step))
        torch.manual_seed(int(random.integers(2**62)) + world.rank)
        clicks = self.clicks_drawn(random)
        factor = self._lr_factor()
        set_learning_rate(self.optimiser, self.base_lrs, factor)
        self._learning_rate = recipe.optimiser.learning_rate * factor

        self.model.train()
        put_back = keep_statistics(self.model)
        randoms = self._randoms()
        with self.precision.autocast():
            interaction = interact(self.model, batch, clicks, randoms, here)
            if recipe.clicks.prev_mask_dropout:
                dropout = recipe.clicks.prev_mask_dropout
                interaction = drop_prev_masks(interaction, dropout, randoms, batch.given_B1HW)
            outcome = learn(self.model, batch, interaction, self.objective, self.network)
        scaler = self.precision.scaler
        self.optimiser.zero_grad(set_to_none=True)
        scaler.scale(outcome.total).backward()  # type: ignore[no-untyped-call]
        scaler.unscale_(self.optimiser)
        limit = recipe.optimiser.clip_norm or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        is_told, loss = bool(self.stop.signal), self.objective.instance
        report = report_step(batch, outcome, norm, self.iou, loss, world, is_told=is_told)
        self._is_told_to_stop = report.is_told_to_stop
        if report.has_broken:
            self._note_broken(batch.broken)
        has_norm = math.isfinite(report.gradient_norm)
        if not (report.is_finite and (has_norm or self.precision.may_overflow())):
            put_back()
            self._skip(batch, clicks)
            return
        scaler.step(self.optimiser)  # where the gradients are too large for fp16, nothing is learnt
        scaler.update()
        if not recipe.sync_batchnorm:
            average_statistics(self.model, world)
        if self.ema and has_norm:
            self.ema.update(self.model, step)

        self.step += 1
        self.iou = self.iou.with_ious(report.ious_4B)
        if report.scales_3B is not None:
            self.monitor = self.monitor.updated(report.scales_3B)
        self.last_loss = report.losses["loss"]
        self._lines.append({**report.losses, "gradient_norm": report.gradient_norm})
        if self.board:
            self.board.picture(self.step, batch, interaction, outcome.logits_B1HW)
        self._log_if_due()

    def stop_if_told(self) -> None:
        """After a step: end, if any process was told to before the step was done.

        Raises:
            RunStopped: in all processes after the same step.
        """
        if self._is_told_to_stop:
            raise RunStopped(self.stop.signal or SIGNALS[0])

    def finish_epoch(self, asked: tuple[ValidationObject, ...], card: TrainingCard) -> None:
        """Validate, write the model out and save everything.

        Raises:
            RunStopped: while it was validated; the epoch is not finished, and nothing has changed.
        """
        recipe = self.recipe
        source = self.ema.state if self.ema else self.model.state_dict()
        self.ema_model.load_state_dict(source)
        epoch = self.epoch + 1
        line: dict[str, object] = {"step": self.step, "epoch": epoch, "epoch_iou": self.iou.mean}
        if asked:
            size, clicks = recipe.data.crop, recipe.validation.clicks
            with self.precision.autocast():
                ious = validate(
                    self.ema_model,
                    asked,
                    size,
                    clicks,
                    self.world,
                    self.stop,
                    at_once=self.share,
                    workers=workers_of(recipe, self.world),
                )
            rounded = [round(iou, 4) for iou in ious.mean(axis=0).tolist()]
            line["validation_iou"] = self.validation = rounded
            line["validation_objects"] = len(ious)
            names = (f"validation IoU after {click}" for click in range(1, len(rounded) + 1))
            card = card.model_copy(update={"metrics": dict(zip(names, rounded, strict=True))})
        self.epoch = epoch
        self.iou = self.iou.new_epoch()
        if self.world.is_first:
            save_model(self.folder.model, self.ema_model, card)
            if recipe.keeps(self.epoch):
                save_model(self.folder.kept_model(self.epoch), self.ema_model, card)
            self._write(line)
        self.save()
        self._logged_at = time.monotonic()

    def progress(self) -> dict[str, str]:
        """Values for the progress bar."""
        values = {"iou": f"{self.iou.running:.3f}"}
        if self.samples_per_second:
            values["samples/s"] = f"{self.samples_per_second:.1f}"
        if self.validation:
            values["validation"] = " ".join(f"{iou:.3f}" for iou in self.validation)
        return values

    def save(self) -> None:
        """Write the checkpoint, if this is the process that writes."""
        if not self.world.is_first:
            return
        self.folder.save(
            self.folder.checkpoint,
            {
                "step": self.step,
                "epoch": self.epoch,
                "skipped": self.skipped,
                "broken": dataclasses.asdict(self.broken),
                "model": self.model.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "scaler": self.precision.scaler.state_dict(),
                "ema": self.ema.state if self.ema else None,
                "iou": dataclasses.asdict(self.iou),
                "monitor": dataclasses.asdict(self.monitor),
                "lines": self._lines,
                "logged": self.folder.logged(),
            },
        )

    def resume(self) -> None:
        """Go back to the checkpoint, if there is one.

        Raises:
            TrainingError: it is damaged, of another network, or not of the same step for all processes.
        """
        state = self.folder.load_checkpoint()
        # Nobody goes on, and writes, before all have read.
        step = str(state["step"] if state else 0)
        self.world.check_same("the checkpoint of step", step, f"all need the same folder {self.folder.path}")
        if self.world.is_first:
            self.folder.truncate_metrics(state["logged"] if state else 0)
        if state is None:
            return
        self.step, self.epoch = state["step"], state["epoch"]
        self.skipped = state.get("skipped", 0)  # checkpoints of older versions have no such number
        self.broken = BrokenFiles(**state.get("broken", {}))
        try:
            self.model.load_state_dict(state["model"])
        except RuntimeError:
            raise TrainingError(f"{self.folder.checkpoint} is of another network.") from None
        if group_sizes(state["optimiser"]) != group_sizes(self.optimiser.state_dict()):
            self._make_optimiser(decays_all=True)  # as the run did in the version that began it
        for saved, ours in zip(state["optimiser"]["param_groups"], self.optimiser.param_groups, strict=True):
            # The recipe's, which may have been changed, as its learning rate; and what suits this device.
            saved |= {"weight_decay": ours["weight_decay"], "fused": ours["fused"]}
        self.optimiser.load_state_dict(state["optimiser"])
        if self.precision.scaler.is_enabled() and state["scaler"]:
            self.precision.scaler.load_state_dict(state["scaler"])
        if self.ema:
            # Where there was no average before, it begins with the weights.
            average = state["ema"] or state["model"]
            device = self.world.device
            self.ema.state = {key: value.to(device) for key, value in average.items()}
        self.iou = AdaptiveIoU(**state["iou"])
        self.monitor = FocalMonitor(**state["monitor"])
        self._lines = state["lines"]

    def _make_optimiser(self, *, decays_all: bool = False) -> None:
        part = self.recipe.optimiser
        self.optimiser = make_optimiser(
            self.model, part.name, part.learning_rate, part.weight_decay, decays_all=decays_all
        )
        self.base_lrs = [float(group["lr"]) for group in self.optimiser.param_groups]

    def _spread(self, model: InteractiveModel) -> Network:
        """Give what runs in place of the model while it learns: compiled, and one with other processes."""
        recipe, world = self.recipe, self.world
        if recipe.sync_batchnorm:
            synchronise(model, world)
        if recipe.compile:
            model.compile(backend=recipe.compile)
        if world.size == 1:
            return model
        devices = [world.device] if world.device.type == "cuda" else None
        with warnings.catch_warnings():
            # The option that newer releases of PyTorch advise instead is unknown to older ones.
            warnings.filterwarnings("ignore", message="`broadcast_buffers`", category=FutureWarning)
            return DistributedDataParallel(model, devices, broadcast_buffers=False)

    def _randoms(self) -> list[np.random.Generator]:
        """For each sample its own, by its number in the run, whichever process has it."""
        first = self.step * self.recipe.batch_size + self.world.rank * self.share
        return [np.random.default_rng((self.recipe.seed, 2, first + i)) for i in range(self.share)]

    def clicks_drawn(self, random: np.random.Generator) -> int:
        """How many simulated corrective clicks the step has, the same in every process."""
        return int(random.integers(self.recipe.clicks.max_next_clicks + 1))

    def _lr_factor(self) -> float:
        part, recipe = self.recipe.optimiser, self.recipe
        if part.schedule == "cosine":
            return cosine_factor(self.step, recipe.steps, part.warmup, part.floor)
        milestones = [epoch * recipe.epoch_steps for epoch in part.milestones]
        return milestone_factor(self.step, milestones, part.gamma)

    def _log_if_due(self) -> None:
        if self.step % self.recipe.log_steps:
            return
        lines, self._lines = self._lines, []
        if not lines:  # all of its steps were skipped
            return
        now = time.monotonic()
        seconds, self._logged_at = now - self._logged_at, now
        self.samples_per_second = len(lines) * self.recipe.batch_size / seconds
        means = {name: float(np.mean([line[name] for line in lines])) for name in lines[0]}
        if not self.world.is_first:
            return
        self._write(
            {
                "step": self.step,
                "learning_rate": self._learning_rate,
                **means,
                "iou": self.iou.running,
                "iou_threshold": self.iou.threshold,
                **self._scales(),
                "samples_per_second": round(self.samples_per_second, 2),
            }
        )

    def _scales(self) -> dict[str, float]:
        """How far the normalised focal loss is scaled, if it is what is made small."""
        if not isinstance(self.objective.instance, NormalizedFocalLoss):
            return {}
        return {"instance_loss_k": self.monitor.k, "instance_loss_m": self.monitor.m}

    def _write(self, line: dict[str, object]) -> None:
        self.folder.log(line)
        if self.board:
            self.board.scalars(line)

    def _note_broken(self, reasons: Sequence[str]) -> None:
        """Count samples that were drawn anew in any process; each file is named once."""
        known = len(self.broken.reasons)
        self.broken = self.broken.with_more(self.world.gather_texts(reasons))
        if self.world.is_first and (new := self.broken.reasons[known:]):
            for reason in new:
                _logger.warning("%s Other samples take the place of those that need it.", reason)
            self.folder.log({"step": self.step, "broken_samples": self.broken.samples, "broken": new})
        self.broken.check(self.recipe)

    def _skip(self, batch: Batch, clicks: int) -> None:
        """Leave out a step whose loss is not finite, in every process: nothing is changed by it."""
        limit = self.recipe.max_skipped_steps
        path = self.folder.path / f"not_finite_{self.step}.pt"
        parts = {
            name: part for name, part in dataclasses.asdict(batch).items() if isinstance(part, torch.Tensor)
        }
        whole = {name: self.world.gather(part).cpu() for name, part in parts.items()}
        is_last = self.skipped == limit
        if self.world.is_first and (is_last or self.skipped < KEPT_BATCHES):
            self.folder.save(path, {**whole, "clicks": clicks})
        if is_last:
            before = f", and {limit} steps before it were skipped (max_skipped_share)" if limit else ""
            raise TrainingError(
                f"The loss or its gradient is not finite at step {self.step}{before}; "
                f"the batch is in {path}. A lower learning_rate or a clip_norm may help."
            )
        self.optimiser.zero_grad(set_to_none=True)
        self.precision.scaler.update()
        self.skipped += 1
        if self.world.is_first:
            _logger.warning("Step %d is skipped, because its loss or gradient is not finite.", self.step)
            self._write({"step": self.step, "skipped_steps": self.skipped})
        self.step += 1
        self._log_if_due()
