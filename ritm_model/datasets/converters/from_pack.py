"""From a pack: photographs and masks that a manifest lists."""

from __future__ import annotations

from pathlib import Path

from ritm_model.datasets.photograph import Collection
from ritm_model.datasets.readers.pack import pack


def from_pack(folder: Path) -> Collection:
    """All photographs of a pack. One that has several masks gets the objects of all of them.

    Raises:
        DatasetError: it is no pack.
    """
    return pack(folder)
