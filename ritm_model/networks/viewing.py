"""How photographs are best shown to a network that annotators use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Viewing:
    """What suits the networks of a family: sizes that they have learnt from, and what a forward pass costs.

    Attributes:
        size: pixels of the longer side of what the network sees.
        first_size: the same of views without a previous mask; None for `size`.
        late_size: the same from click `late_click` on, when outlines are left to correct; None for `size`.
        late_click: the first click that is answered so.
        side_step: the sides of views with a previous mask are multiples of this, as those of the crops are
            that networks learn from; None keeps the proportions of the crop.
        with_flip: average with the mirror image, which takes twice the time of the network.
    """

    size: int = 400
    first_size: int | None = None
    late_size: int | None = None
    late_click: int = 4
    side_step: int | None = None
    with_flip: bool = False
