"""What the page asks for: every request says everything, so any process can answer it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationError

from ritm_backend.label_studio.errors import RequestError
from ritm_model.clicks import Click
from ritm_model.inference import Box
from ritm_model.inference.prompts import clipped
from ritm_model.values import Value, first_problem

_MOST_CLICKS = 1000  # of any setting

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Coordinate = Annotated[float, Field(ge=0, le=1e6)]


class ZoomInWanted(Value):
    """The options of ZoomIn by the names of the paper's demo; a `target_size` of None suits the network."""

    fixed: bool = False
    skip_clicks: int = Field(default=-1, ge=-1, le=100)
    target_size: int | None = Field(default=None, ge=64, le=1024)
    expand_ratio: float = Field(default=1.4, ge=1, le=4)


class BrsWanted(Value):
    """Refinement by backpropagation.

    `network_clicks` of None stands for the mode's own number; `iterations` are those of L-BFGS.
    """

    mode: Literal["RGB-BRS", "DistMap-BRS", "f-BRS-A", "f-BRS-B", "f-BRS-C"]
    network_clicks: int | None = Field(default=None, ge=0, le=100)
    iterations: int = Field(default=20, ge=1, le=1000)


class ModelWanted(Value):
    """Which model answers, and how it looks at images. `zoom_in` of None switches ZoomIn off."""

    model: str = Field(max_length=200)
    zoom_in: ZoomInWanted | None
    brs: BrsWanted | None = None


class MaskFile(Value):
    """A mask to start from: the pixels of an uploaded file that have this value; None for all but black."""

    file: Digest
    value: int | None = Field(default=None, ge=1, le=255)


class DemoPrompt(Value):
    """One object, or one part of it. A box (left, top, right, bottom) was drawn before all clicks."""

    image: Digest
    clicks: Annotated[tuple[tuple[Coordinate, Coordinate, bool], ...], Field(max_length=_MOST_CLICKS)]
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate] | None = None
    start: MaskFile | None = None
    threshold: float = Field(gt=0, lt=1)
    options: ModelWanted

    @property
    def all_clicks(self) -> tuple[Click, ...]:
        return tuple(Click(x, y, is_positive=is_positive) for x, y, is_positive in self.clicks)

    def region(self, frame: tuple[int, int]) -> Box | None:
        """What the box holds of an image of height and width. Raises PromptError where that is nothing."""
        return None if self.box is None else clipped(Box(*self.box), frame)


def read_prompt(text: str) -> DemoPrompt:
    """Read the JSON of a prompt. Raises RequestError."""
    try:
        return DemoPrompt.model_validate_json(text)
    except ValidationError as error:
        raise RequestError(f"The request cannot be understood: {first_problem(error)}.") from None
