"""What a predictor does with the network's answer, by the names that the paper gives.

A mode is a function from a model file, a device and options to a predictor. More modes are more rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Protocol

from ritm_model.clicks import Click
from ritm_model.errors import RitmError
from ritm_model.inference import Predictor, PredictorOptions, State, open_predictor
from ritm_model.inference.brs import BRS_MODES, open_brs_predictor
from ritm_model.inference.state import Image, Mask


class ClickPredictor(Protocol):
    """What the simulated annotator needs of a predictor."""

    def start(self, image_HW3: Image, mask: Mask | None = None) -> State: ...

    def click(self, state: State, click: Click) -> State: ...


class ModeError(RitmError):
    """A mode that is not known."""


ModeOpener = Callable[[str, str, PredictorOptions], ClickPredictor]


def _plain(model: str, device: str, options: PredictorOptions) -> Predictor:
    return open_predictor(model, device, options)


def _brs(model: str, device: str, options: PredictorOptions, mode: str) -> Predictor:
    return open_brs_predictor(model, device, options, mode=mode)


MODES: Mapping[str, ModeOpener] = MappingProxyType(
    {"NoBRS": _plain, **{mode: partial(_brs, mode=mode) for mode in BRS_MODES}}
)


def mode_named(name: str) -> ModeOpener:
    """The mode of that name.

    Raises:
        ModeError: there is none.
    """
    if name not in MODES:
        raise ModeError(f"There is no mode '{name}'; known ones are {', '.join(MODES)}.")
    return MODES[name]


@dataclass(frozen=True, slots=True)
class PredictorSource:
    """Where to get a predictor from, as a value that can be sent to another process.

    Attributes:
        model: a name or the path of a checkpoint.
        device: "cpu", "cuda", …
        mode: a name in `MODES`.
        options: how it looks at images.
        engine: what runs the network, as for `open_predictor`. BRS needs torch.
    """

    model: str
    device: str
    mode: str
    options: PredictorOptions
    engine: str = "torch"

    def __call__(self) -> ClickPredictor:
        if self.engine != "torch" and self.mode == "NoBRS":
            return open_predictor(self.model, self.device, self.options, engine=self.engine)
        return mode_named(self.mode)(self.model, self.device, self.options)
