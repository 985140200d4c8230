"""Images of an export by their names in it."""

from __future__ import annotations

from pathlib import Path

from ritm_model.images.finding import ImageFinder
from ritm_model.images.names import has_suffix


class ExportImages:
    """Looks for the images of one export: where it says they are, then anywhere in the folders of the user.

    Args:
        roots: folders in which images are looked for that the export does not bring along.
    """

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._roots = ImageFinder(*roots)
        self._own: dict[tuple[Path, ...], ImageFinder] = {}

    def find(self, folders: tuple[Path, ...], name: str) -> Path | None:
        """The file of an image; None where there is none, or more than one that fits.

        Args:
            folders: of the export, in which the name is a path.
            name: which may lack its extension, as in lists of CVAT and for frames of its videos.
        """
        if folders not in self._own:
            self._own[folders] = ImageFinder(*folders, anywhere=False)
        return self._own[folders].find(name) or self._roots.find(name)


def with_suffix_of(name: str, image: Path) -> str:
    """The name with the extension of the image, if it has none of an image."""
    return name if has_suffix(name) else name + image.suffix
