"""Images of an export by their names in it."""

from __future__ import annotations

from pathlib import Path

from ritm_model.images.finding import ImageFinder
from ritm_model.images.names import has_suffix, named_paths


class ExportImages:
    """Looks for the images of one export: where it says they are, then anywhere in the folders of the user.

    Args:
        roots: folders in which images are looked for that the export does not bring along.
    """

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._given = roots
        self._roots = ImageFinder(*roots)
        self._own: dict[tuple[Path, ...], ImageFinder] = {}

    def find(self, folders: tuple[Path, ...], name: str) -> Path | None:
        """The file of an image; None where there is none, or more than one that fits.

        Args:
            folders: of the export, in which the name is a path.
            name: which may lack its extension, as in lists of CVAT and for frames of its videos.
        """
        return self._own_in(folders).find(name) or self._roots.find(name)

    def missing(self, folders: tuple[Path, ...], name: str) -> str:
        """A sentence for an image that `find` gives nothing for."""
        own = self._own_in(folders)
        return (own if own.candidates(name) else self._roots).missing(name)

    def _own_in(self, folders: tuple[Path, ...]) -> ImageFinder:
        if folders not in self._own:
            self._own[folders] = ImageFinder(*folders, anywhere=False, linked=self._given)
        return self._own[folders]


def place_of(name: str, image: Path) -> str:
    """Where an image goes in a data set: its path in the export, without drive and root.

    Args:
        name: in the export; without the extension of an image, it gets that of `image`.
        image: its file.
    """
    parts = next((path.parts for path in named_paths(name)), (image.name,))
    place = "/".join(part for part in parts if part != "..")
    return place if has_suffix(place) else place + image.suffix
