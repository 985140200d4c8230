"""The modes by the names that the paper gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ritm_model.errors import BRSError
from ritm_model.inference.brs.adaptations import Adaptation, AddedToInput, ScaleAndBias
from ritm_model.inference.brs.feature_points import feature_point
from ritm_model.inference.brs.predictor import BRSPredictor
from ritm_model.inference.brs.reference import ReferenceBRSPredictor
from ritm_model.inference.opening import open_engine
from ritm_model.inference.options import PredictorOptions
from ritm_model.networks import InteractiveModel


@dataclass(frozen=True, slots=True)
class BRSMode:
    """What is adapted, and how many clicks the network gets to know unless the user says otherwise."""

    adaptation: Callable[[InteractiveModel], Adaptation]
    net_clicks_limit: int


def _features(model: InteractiveModel, name: str) -> ScaleAndBias:
    return ScaleAndBias(model, feature_point(model, name))


BRS_MODES: Mapping[str, BRSMode] = {
    "RGB-BRS": BRSMode(partial(AddedToInput, to_clicks=False), 5),
    "DistMap-BRS": BRSMode(partial(AddedToInput, to_clicks=True), 5),
    "f-BRS-A": BRSMode(partial(_features, name="A"), 8),
    "f-BRS-B": BRSMode(partial(_features, name="B"), 8),
    "f-BRS-C": BRSMode(partial(_features, name="C"), 8),
}


def open_brs_predictor(
    model: str | Path = "bundled",
    device: str = "auto",
    options: PredictorOptions | None = None,
    *,
    mode: str,
    reference: bool = False,
) -> BRSPredictor:
    """Load a model and make it ready for clicks, as `open_predictor` does.

    Args:
        model: "bundled", the name of a pulled model, or the path of a checkpoint.
        device: "auto", "cpu", "cuda", …
        options: those of the paper unless given. No limit of clicks stands for that of the mode.
        mode: a name in `BRS_MODES`.
        reference: repeat the known defects of the paper's code; see `ReferencePredictor`.

    Raises:
        BRSError: no such mode, a network without the features that the mode adapts, or no SciPy.
        CheckpointError: no such model, or a file that cannot be read.
        RitmError: no such device.
    """
    if mode not in BRS_MODES:
        raise BRSError(f"There is no mode '{mode}'; known ones are {', '.join(BRS_MODES)}.")
    chosen = BRS_MODES[mode]
    options = options or PredictorOptions.paper()
    if options.net_clicks_limit is None:
        options = replace(options, net_clicks_limit=chosen.net_clicks_limit)
    engine = open_engine(model, device)
    kind = ReferenceBRSPredictor if reference else BRSPredictor
    return kind(engine, chosen.adaptation(engine.model), options)
