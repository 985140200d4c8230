"""What may be different about how a predictor shows photographs, by name, for `refinements.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ritm_model.inference import PredictorOptions, ProgressiveMerge, ZoomIn
from ritm_model.networks import LiteModel


@dataclass(frozen=True)
class Variant:
    """Options of the predictor.

    Attributes:
        options: of the predictor.
        radius: of the clicks, if not that of training.
        starts: whether annotation starts from a mask; both, unless one of them would repeat another variant.
    """

    options: PredictorOptions
    radius: float | None = None
    starts: tuple[bool, ...] = (False, True)


NOTHING, MASK = (False,), (True,)
CROP_SHARE = 0.4  # about what the least crop of 200 pixels is of the photographs of the pack


def variants_at(size: int) -> dict[str, Variant]:
    """The serving profile with a view of some size, and what can be different about it."""
    zoom_in = ZoomIn(skip_clicks=-1, target_size=size)
    serving = replace(PredictorOptions.serving(), zoom_in=zoom_in, antialias=False)

    def but(starts: tuple[bool, ...] = NOTHING + MASK, radius: float | None = None, **fields: Any) -> Variant:
        return Variant(replace(serving, **fields), radius, starts)

    return {
        f"{size}": but(),
        f"{size}, answers as they are": but(MASK, merge=None),
        f"{size}, merge from click 4": but(NOTHING, merge=ProgressiveMerge(from_click=4)),
        f"{size}, merge from click 8": but(NOTHING, merge=ProgressiveMerge(from_click=8)),
        f"{size}, mirror image": but(with_flip=True),
        f"{size}, crop 1.2": but(zoom_in=replace(zoom_in, expansion_ratio=1.2)),
        f"{size}, crop 1.8": but(zoom_in=replace(zoom_in, expansion_ratio=1.8)),
        f"{size}, radius 3": but(radius=3),
        f"{size}, radius 7": but(radius=7),
        f"{size}, no zoom-in": but(zoom_in=None, max_size=size),
        f"{size}, first view 256": but(NOTHING, zoom_in=replace(zoom_in, first_size=256)),
        f"{size}, first view 320": but(NOTHING, zoom_in=replace(zoom_in, first_size=320)),
        f"{size}, antialias": but(antialias=True),
        f"{size}, crop share": but(zoom_in=replace(zoom_in, min_crop_share=CROP_SHARE)),
        f"{size}, crop share, antialias": but(
            zoom_in=replace(zoom_in, min_crop_share=CROP_SHARE), antialias=True
        ),
        f"{size}, crop share 0.25, antialias": but(
            zoom_in=replace(zoom_in, min_crop_share=0.25), antialias=True
        ),
        f"{size}, threshold 0.4": but(threshold=0.4),
        f"{size}, threshold 0.6": but(threshold=0.6),
    }


def variants_under_load() -> dict[str, Variant]:
    """The bundled model as it is shown photographs when few click, and with less work when many do."""
    default = PredictorOptions.serving(LiteModel.viewing)
    light = default.light()
    assert default.zoom_in is not None
    as_ever = replace(default.zoom_in, late_size=None)
    smaller = replace(as_ever, target_size=192, first_size=192)
    return {
        "default": Variant(default),
        "light": Variant(light),
        "light, 320 once there is a mask": Variant(replace(light, zoom_in=as_ever)),
        "light, 192": Variant(replace(light, zoom_in=smaller)),
    }


VARIANTS = variants_under_load() | {
    name: variant for size in (400, 320, 256, 192) for name, variant in variants_at(size).items()
}
