"""What evaluation needs of a data set; `ritm_model.datasets` reads many kinds."""

from __future__ import annotations

from typing import Protocol

from ritm_model.inference.state import Image
from ritm_model.masks.overlap import Truth


class SampleLike(Protocol):
    """One object on one image."""

    @property
    def name(self) -> str:
        """Which one it is, unique in its data set."""

    @property
    def mask(self) -> Truth:
        """H x W int8: 1 on the object, 0 on the background, -1 where nothing counts."""

    @property
    def category(self) -> str:
        """Class of the object, or nothing."""

    def load_image(self) -> Image:
        """H x W x 3 uint8 RGB, upright."""


class DatasetLike(Protocol):
    """Samples in a fixed order. It is sent to other processes, so it must be possible to pickle it."""

    @property
    def name(self) -> str:
        """For tables and for rules that depend on it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> SampleLike: ...
