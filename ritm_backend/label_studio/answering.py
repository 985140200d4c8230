"""From a mask to the regions that an answer shows: of the kinds that the project asks for."""

from __future__ import annotations

from collections.abc import Sequence

from ritm_backend.label_studio.answers import RegionAnswer
from ritm_backend.label_studio.drawing import MaskPart, Value, polygon_value, rings_of, value_of
from ritm_backend.label_studio.existing import Existing
from ritm_backend.label_studio.options import ProjectOptions
from ritm_backend.label_studio.outputs import Output
from ritm_backend.label_studio.regions import Frame
from ritm_backend.label_studio.ring_ids import RingIds, derived_id
from ritm_model.masks.outline import Ring_N2
from ritm_model.masks.polygon import polygons


def regions_for(
    part: MaskPart,
    outputs: Sequence[Output],
    options: ProjectOptions,
    ring_ids: RingIds,
    *,
    own_id: str,
    existing: Existing | None,
    frame: Frame,
    label: str | None,
    score: float,
) -> list[RegionAnswer]:
    """The regions of one object. The first has the object's id, or that of the region it replaces.

    Args:
        part: the mask.
        outputs: where its regions go; the first is what the object is, the others belong to it.
        options: of the project.
        ring_ids: remembers which polygon has which id.
        own_id: of the object.
        existing: what is refined.
        frame: the picture.
        label: the wanted one.
        score: of the mask.
    """
    own_id = existing.id if existing and existing.can_be_replaced else own_id
    size = (part.frame[1], part.frame[0])
    answers: list[RegionAnswer] = []
    for place, output in enumerate(outputs):
        first_id = own_id if place == 0 else derived_id(own_id, output.kind)
        for id, value in _values(part, output, options, ring_ids, first_id, existing):
            answers.append(
                RegionAnswer(
                    id=id,
                    frame=frame,
                    size=size,
                    value=value,
                    output=output,
                    label=output.label_for(label),
                    score=score,
                    parent=own_id if place else None,
                )
            )
    return answers


def _values(
    part: MaskPart,
    output: Output,
    options: ProjectOptions,
    ring_ids: RingIds,
    first_id: str,
    existing: Existing | None,
) -> list[tuple[str, Value]]:
    if output.kind != "polygon":
        return [(first_id, value_of(output.kind, part))]
    rings = rings_of(part, options)
    is_same = existing is not None and existing.id == first_id and existing.rectangle is None

    def before() -> list[Ring_N2]:
        return polygons(existing.mask.unpack(), holes="fill") if existing and is_same else []

    ids = ring_ids.give(first_id, rings, before)
    return [(id, polygon_value(ring, part.frame)) for id, ring in zip(ids, rings, strict=True)]
