"""How models are measured: the rules of the simulated annotation, as a value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ritm_model.errors import RitmError
from ritm_model.evaluation.noc import LEAST_TARGET, targets
from ritm_model.inference import PredictorOptions, ProgressiveMerge, ZoomIn
from ritm_model.networks import Viewing

EVAL_MODES = "cvpr, fixed<N> such as fixed448, serving"
ALWAYS_ALL_CLICKS = 1.01
"""A target IoU that no mask reaches."""
# By the names of the fields of `PredictorOptions`.
REFINEMENTS = {"merge": ProgressiveMerge}
ADDED_TO_ZOOM_IN = ("min_crop_share", "first_size", "late_size", "side_step")


class ProtocolError(RitmError):
    """Rules that contradict each other, or that are not known."""


@dataclass(frozen=True, slots=True)
class EvaluationProtocol:
    """The rules.

    Attributes:
        options: of the predictor. Its threshold makes the masks that are measured.
        reference: repeat the known defects of the paper's code; see `ReferencePredictor`.
        mode: what happens after the network's answer; a name in `ritm_model.evaluation.modes.MODES`.
        max_clicks: the annotator gives up after so many.
        min_clicks: and clicks at least so often.
        target_iou: content with this IoU. Above 1: uses all clicks, even on a perfect mask.
        from_mask: start from a mask with mistakes (`ritm_model.evaluation.initial_mask`), not from nothing.
    """

    options: PredictorOptions = field(default_factory=PredictorOptions.paper)
    reference: bool = False
    mode: str = "NoBRS"
    max_clicks: int = 20
    min_clicks: int = 1
    target_iou: float = 0.95
    from_mask: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.min_clicks <= self.max_clicks:
            raise ProtocolError(
                f"The least number of clicks must lie between 1 and {self.max_clicks}, not {self.min_clicks}."
            )
        if not self.target_iou >= LEAST_TARGET:
            raise ProtocolError(f"The target IoU must be at least {LEAST_TARGET}, not {self.target_iou}.")

    @property
    def targets(self) -> tuple[float, ...]:
        """The IoUs to count clicks for. A mask that was given may be as good as 0.85 before any click."""
        lowest = 0.85 if self.from_mask else LEAST_TARGET
        return tuple(target for target in targets(self.target_iou) if target >= lowest)

    def settings(self) -> dict[str, Any]:
        """All rules as JSON, flat: options come first. What was added later is left out where it is off."""
        rules = asdict(self)
        options = rules.pop("options")
        zoom_in = options.pop("zoom_in")
        if not options["antialias"]:
            del options["antialias"]
        for name in ADDED_TO_ZOOM_IN if zoom_in else ():
            if not zoom_in[name]:
                del zoom_in[name]
        if zoom_in and "late_size" not in zoom_in:
            del zoom_in["late_click"]
        if zoom_in and isinstance(zoom_in["target_size"], tuple):
            zoom_in["target_size"] = list(zoom_in["target_size"])
        for name in REFINEMENTS:
            if options[name] is None:
                del options[name]
        return {**options, "zoom_in": zoom_in, **rules}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> EvaluationProtocol:
        """The inverse of `settings`."""
        rules = dict(settings)
        zoom_in = rules.pop("zoom_in")
        if zoom_in and isinstance(zoom_in["target_size"], list):
            zoom_in = {**zoom_in, "target_size": tuple(zoom_in["target_size"])}
        names = ("with_flip", "max_size", "net_clicks_limit", "threshold")
        refinements: dict[str, Any] = {
            name: kind(**rules.pop(name)) for name, kind in REFINEMENTS.items() if name in rules
        }
        options = PredictorOptions(
            zoom_in=ZoomIn(**zoom_in) if zoom_in else None,
            antialias=rules.pop("antialias", False),
            **{name: rules.pop(name) for name in names},
            **refinements,
        )
        return cls(options=options, **rules)


def protocol_for(
    eval_mode: str,
    dataset: str,
    *,
    viewing: Viewing | None = None,
    with_flip: bool | None = None,
    threshold: float = 0.49,
    net_clicks_limit: int | None = None,
    from_mask: bool = False,
    refine: Sequence[str] | None = None,
    mode: str = "NoBRS",
    max_clicks: int = 20,
    min_clicks: int = 1,
    target_iou: float = 0.95,
) -> EvaluationProtocol:
    """The rules for a data set, by the name of an evaluation mode.

    `cvpr` and `fixed<N>` are the settings of the paper, its defects included so that numbers can be
    compared; from a mask they are left out, for there the paper has no numbers. `serving` is what
    annotators get.

    Args:
        eval_mode: `cvpr` zooms in from the second click on, to 600 pixels on DAVIS and 400 elsewhere;
            `fixed<N>` shows the network N x N pixels from the first click on; or `serving`.
        dataset: its name.
        viewing: what suits the network, for `serving`; None for what suits most.
        with_flip: average with the mirror image; None for what the mode does.
        threshold: pixels above this probability form the mask.
        net_clicks_limit: only that many first clicks reach the network.
        from_mask: whether annotation starts from a mask.
        refine: names in `REFINEMENTS` that are on, with their defaults; None for what the mode does.
        mode: as in `EvaluationProtocol`, like the three that follow.
        max_clicks: the annotator gives up after so many.
        min_clicks: and clicks at least so often.
        target_iou: content with this IoU.

    Raises:
        ProtocolError: unknown mode or refinement, or rules that contradict each other.
    """
    fixed = re.fullmatch(r"fixed([1-9]\d{0,3})", eval_mode)
    if eval_mode == "cvpr":
        zoom_in = ZoomIn(target_size=600 if dataset == "DAVIS" else 400)
        options = PredictorOptions(zoom_in=zoom_in)
    elif fixed:
        size = int(fixed[1])
        options = PredictorOptions(zoom_in=ZoomIn(skip_clicks=-1, target_size=(size, size)))
    elif eval_mode == "serving":
        options = PredictorOptions.serving(viewing)
    else:
        raise ProtocolError(f"There is no evaluation mode '{eval_mode}'; known ones are {EVAL_MODES}.")
    if refine is not None:
        unknown = sorted(set(refine) - set(REFINEMENTS))
        if unknown:
            raise ProtocolError(
                f"There is no refinement '{unknown[0]}'; known ones are {', '.join(REFINEMENTS)}."
            )
        chosen: dict[str, Any] = {
            name: kind() if name in refine else None for name, kind in REFINEMENTS.items()
        }
        options = replace(options, **chosen)
    options = replace(
        options,
        with_flip=options.with_flip if with_flip is None else with_flip,
        threshold=threshold,
        net_clicks_limit=net_clicks_limit,
    )
    return EvaluationProtocol(
        options=options,
        reference=eval_mode != "serving" and not from_mask,
        mode=mode,
        max_clicks=max_clicks,
        min_clicks=min_clicks,
        target_iou=target_iou,
        from_mask=from_mask,
    )
