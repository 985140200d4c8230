"""A photograph of a pack, as the scripts that choose objects by their own rules read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ritm_model.datasets.photograph import About
from ritm_model.datasets.readers.pack import PackEntry


@dataclass(frozen=True, slots=True)
class PackPicture:
    """One image with one mask; the kinds of it say which regions count."""

    folder: Path
    entry: PackEntry

    @property
    def truth(self) -> str:
        return self.entry.mask

    @property
    def name(self) -> str:
        return f"{Path(self.entry.mask).stem}{Path(self.entry.image).suffix}"

    @property
    def image(self) -> Path:
        return self.folder / self.entry.image

    @property
    def about(self) -> About:
        return About(
            source=self.entry.source, license=self.entry.license, license_class=self.entry.license_class
        )
