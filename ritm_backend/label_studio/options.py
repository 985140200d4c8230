"""What a project asks of its answers: the extra parameters of the backend in Label Studio.

    {"output": ["polygon", "brush"], "also": "box", "polygon_iou": 0.99, "pipeline": "cells"}

Label Studio sends them with `/setup`, at every page load: as an object where a program has set them, as text
where a person has written them into its form. The form shows text alone, and spoils an object when saved.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from ritm_model.masks.polygon import MIN_IOU, Holes
from ritm_model.values import ForeignValue
from ritm_ops.pipelines import NAME

Kind: TypeAlias = Literal["brush", "bitmask", "polygon", "box", "ellipse"]
MOST_POINTS_OF_ONE = 12  # imported with one label; hardly anybody clicks as often on one object
KINDS: tuple[Kind, ...] = ("brush", "bitmask", "polygon", "box", "ellipse")


def _listed(value: object) -> object:
    """One kind may be written without a list, and several with commas between them."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class ProjectOptions(ForeignValue):
    """The extra parameters; what is left out has its default."""

    model_config = ConfigDict(allow_inf_nan=False)

    output: Annotated[tuple[Kind, ...], BeforeValidator(_listed), Field(max_length=len(KINDS))] = Field(
        default=(),
        description="Kinds of region in order of preference, of those that the labeling configuration has a "
        "control for; kinds that are not named follow in the order `brush`, `bitmask`, `polygon`, `box`, "
        "`ellipse`.",
    )
    also: Kind | None = Field(
        default=None, description="A kind of region to give beside the first, for example `box`."
    )
    polygon_iou: float = Field(
        default=MIN_IOU,
        ge=0.5,
        lt=1,
        description="Least IoU of a polygon with the mask it is drawn around; less means fewer points.",
    )
    polygon_holes: Holes = Field(
        default="bridge", description="Holes of polygons: `bridge` keeps them by a cut line, or `fill`."
    )
    refine: Literal["own", "everyone"] = Field(
        default="own",
        description="Which regions a first click refines: `own` are those of drafts and predictions, "
        "`everyone` also those of annotations, whoever made them.",
    )
    points: Literal["auto", "one", "each"] = Field(
        default="auto",
        description="What imported keypoints of one label stand for: `one` object, `each` one object, or "
        "`auto`, which takes more than twelve for objects of their own.",
    )

    pipeline: Annotated[str, Field(pattern=NAME)] | None = Field(
        default=None,
        description="The pipeline whose live model answers; without, the server's own model does.",
    )

    @property
    def most_points_of_one(self) -> int:
        """Imported points of one label that are more than so many are objects of their own."""
        return {"auto": MOST_POINTS_OF_ONE, "one": 1_000_000, "each": 0}[self.points]

    @property
    def order(self) -> tuple[Kind, ...]:
        return (*self.output, *(kind for kind in KINDS if kind not in self.output))


def parameters_in(extra_params: object) -> dict[str, Any] | None:
    """The extra parameters as an object, also from text; None if they are none."""
    if extra_params is None or extra_params == "":
        return {}
    if isinstance(extra_params, str):
        try:
            extra_params = json.loads(extra_params)
        except (ValueError, RecursionError):
            return None
    return extra_params if isinstance(extra_params, dict) else None


def read_options(extra_params: object) -> tuple[ProjectOptions, list[str]]:
    """The options, and what is wrong with the parameters, each of which then has its default."""
    given = parameters_in(extra_params)
    notes = ["They are no JSON object."] if given is None else []
    given = given or {}
    known = {name: given[name] for name in ProjectOptions.model_fields if name in given}
    try:
        return ProjectOptions.model_validate(known), notes
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False, include_context=False):
            name = str(detail["loc"][0])
            notes.append(f"{name}: {detail['msg']}.")
            known.pop(name, None)
    return ProjectOptions.model_validate(known), notes
