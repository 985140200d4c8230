"""From the options of `ritm evaluate` to the protocol of a data set, and to the folder of its results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ritm_model.evaluation import EvaluationProtocol
    from ritm_model.networks import Viewing


@dataclass(frozen=True)
class ProtocolOptions:
    """The options that make a protocol, as they were given."""

    mode: str
    eval_mode: str
    target_iou: float
    n_clicks: int
    min_n_clicks: int
    thresh: float
    clicks_limit: int | None
    flip: bool | None
    refine: tuple[str, ...] | None
    from_mask: bool
    all_clicks: bool
    engine: str

    def protocol(self, dataset: str, viewing: Viewing | None = None) -> EvaluationProtocol:
        """The protocol for a data set, by its name, and for a network by what suits it."""
        from ritm_model.evaluation import protocol_for
        from ritm_model.evaluation.noc import LEAST_TARGET
        from ritm_model.evaluation.protocol import ALWAYS_ALL_CLICKS

        return protocol_for(
            self.eval_mode,
            dataset,
            viewing=viewing,
            with_flip=self.flip,
            threshold=self.thresh,
            net_clicks_limit=self.n_clicks if self.clicks_limit == -1 else self.clicks_limit,
            refine=self.refine,
            mode=self.mode,
            max_clicks=self.n_clicks,
            min_clicks=self.min_n_clicks,
            target_iou=ALWAYS_ALL_CLICKS if self.all_clicks else max(self.target_iou, LEAST_TARGET),
            from_mask=self.from_mask,
        )

    def run_name(self, dataset: str) -> str:
        """The name of the folder that keeps its results."""
        parts = [dataset.replace(":", "-"), self.eval_mode, self.mode, str(self.n_clicks)]
        parts += ["from-mask"] if self.from_mask else []
        parts += ["all-clicks"] if self.all_clicks else []
        parts += [] if self.refine is None else ["-".join(self.refine) or "plain"]
        parts += [] if self.engine == "torch" else [self.engine]
        parts += [] if self.flip is None else ["flip" if self.flip else "no-flip"]
        return "_".join(parts)
