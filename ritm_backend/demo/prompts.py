"""What the page asks for: every request says everything, so any process can answer it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, ValidationError

from ritm_backend.label_studio.errors import RequestError
from ritm_model.clicks import Click
from ritm_model.inference import Box, Lasso, Region, Stroke, stroke_clicks
from ritm_model.inference.prompts import clipped
from ritm_model.values import Value, first_problem

_MOST_CLICKS = 1000  # of any setting
_MOST_PLACES = 4000  # of a line

LARGEST_SIZE = 1024
"""Longest side of what a network is shown, in pixels; the memory for it grows with the square."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Coordinate = Annotated[float, Field(ge=0, le=1e6)]


class ZoomInWanted(Value):
    """The options of ZoomIn by the names of the paper's demo; a `target_size` of None suits the network."""

    fixed: bool = False
    skip_clicks: int = Field(default=-1, ge=-1, le=100)
    target_size: int | None = Field(default=None, ge=64, le=LARGEST_SIZE)
    expand_ratio: float = Field(default=1.4, ge=1, le=4)


class BrsWanted(Value):
    """Refinement by backpropagation.

    `network_clicks` of None stands for the mode's own number; `iterations` are those of L-BFGS.
    """

    mode: Literal["RGB-BRS", "DistMap-BRS", "f-BRS-A", "f-BRS-B", "f-BRS-C"]
    network_clicks: int | None = Field(default=None, ge=0, le=100)
    iterations: int = Field(default=20, ge=1, le=1000)


class ModelWanted(Value):
    """Which model answers, and what the network is shown. `zoom_in` of None switches ZoomIn off."""

    model: str = Field(max_length=200)
    zoom_in: ZoomInWanted | None
    brs: BrsWanted | None = None


class MaskFile(Value):
    """A mask to start from: the pixels of an uploaded file that have this value; None for all but black."""

    file: Digest
    value: int | None = Field(default=None, ge=1, le=255)


Place = tuple[Coordinate, Coordinate]


class DrawnStroke(Value):
    """A line over the object, or over what does not belong to it."""

    line: Annotated[tuple[Place, ...], Field(min_length=1, max_length=_MOST_PLACES)]
    is_positive: bool


def _sort_of(mark: object) -> str:
    return "stroke" if isinstance(mark, dict | DrawnStroke) else "click"


Mark = Annotated[
    Annotated[tuple[Coordinate, Coordinate, bool], Tag("click")] | Annotated[DrawnStroke, Tag("stroke")],
    Discriminator(_sort_of),
]


class DemoPrompt(Value):
    """One object, or one part of it. A box (left, top, right, bottom) or a lasso was drawn before all clicks.

    Among the clicks there may be strokes.
    """

    image: Digest
    clicks: Annotated[tuple[Mark, ...], Field(max_length=_MOST_CLICKS)]
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate] | None = None
    lasso: Annotated[tuple[Place, ...], Field(min_length=3, max_length=_MOST_PLACES)] | None = None
    start: MaskFile | None = None
    threshold: float = Field(gt=0, lt=1)
    options: ModelWanted

    def all_clicks(self, frame: tuple[int, int]) -> tuple[Click, ...]:
        """The clicks, those of strokes among them, on an image of height and width.

        Raises PromptError where nothing of a stroke lies on it, RequestError for a click beside it.
        """
        found: list[Click] = []
        for drawn in self.clicks:
            if isinstance(drawn, DrawnStroke):
                found += stroke_clicks(Stroke(drawn.line, drawn.is_positive), frame)
            elif drawn[0] >= frame[1] or drawn[1] >= frame[0]:
                raise RequestError(f"A click lies outside the {frame[1]} x {frame[0]} image.")
            else:
                found.append(Click(*drawn))
        return tuple(found)

    def region(self, frame: tuple[int, int]) -> Region | None:
        """What was drawn around the object on an image of height and width.

        Raises PromptError where a box lies beside it, RequestError where box and lasso were drawn.
        """
        if self.lasso is None:
            return None if self.box is None else clipped(Box(*self.box), frame)
        if self.box is not None:
            raise RequestError("An object has a box or a lasso, not both.")
        return Lasso(self.lasso)


def read_prompt(text: str) -> DemoPrompt:
    """Read the JSON of a prompt. Raises RequestError."""
    try:
        return DemoPrompt.model_validate_json(text)
    except ValidationError as error:
        raise RequestError(f"The request cannot be understood: {first_problem(error)}.") from None
