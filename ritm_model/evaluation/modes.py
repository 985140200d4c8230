"""From the rules of an evaluation to the predictor that is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ritm_model.clicks import Click
from ritm_model.errors import RitmError
from ritm_model.evaluation.protocol import EvaluationProtocol
from ritm_model.inference import ReferencePredictor, State, open_predictor
from ritm_model.inference.brs import BRS_MODES, open_brs_predictor
from ritm_model.inference.state import Image, Mask


class ClickPredictor(Protocol):
    """What the simulated annotator needs of a predictor."""

    def start(self, image_HW3: Image, mask: Mask | None = None) -> State: ...

    def click(self, state: State, click: Click) -> State: ...


OpensPredictor = Callable[[], ClickPredictor]
"""What each process calls once. With several processes, it must be possible to pickle it."""


class ModeError(RitmError):
    """A mode that is not known."""


NO_BRS = "NoBRS"
MODES = (NO_BRS, *BRS_MODES)
"""What is done with the network's answer, by the names that the paper gives."""


def check_mode(name: str) -> None:
    """See that there is a mode of that name.

    Raises:
        ModeError: there is none.
    """
    if name not in MODES:
        raise ModeError(f"There is no mode '{name}'; known ones are {', '.join(MODES)}.")


@dataclass(frozen=True, slots=True)
class PredictorSource:
    """Where to get a predictor from, as a value that can be sent to another process.

    Attributes:
        model: a name or the path of a checkpoint.
        device: "cpu", "cuda", …
        protocol: says the mode, the options and whether the paper's defects are repeated.
        engine: what runs the network, as for `open_predictor`. BRS needs torch.
    """

    model: str
    device: str
    protocol: EvaluationProtocol
    engine: str = "torch"

    def __call__(self) -> ClickPredictor:
        """Load the model.

        Raises:
            ModeError: no such mode.
            RitmError: the model cannot be opened; see `open_predictor` and `open_brs_predictor`.
        """
        rules = self.protocol
        check_mode(rules.mode)
        if rules.mode != NO_BRS:
            return open_brs_predictor(
                self.model, self.device, rules.options, mode=rules.mode, reference=rules.reference
            )
        opened = open_predictor(self.model, self.device, rules.options, engine=self.engine)
        return ReferencePredictor(opened.engine, opened.options) if rules.reference else opened
