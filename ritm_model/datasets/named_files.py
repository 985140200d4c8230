"""The files of a folder, by the names that lists and annotations give them.

Such a name may lack its extension, or write it in another case, with other accents or with the folders of
another machine: `ritm_model/images/finding.py` says what makes no difference.
"""

from __future__ import annotations

from pathlib import Path

from ritm_model.datasets.files import inside
from ritm_model.datasets.problems import BrokenFileError
from ritm_model.images.finding import ImageFinder
from ritm_model.images.names import has_suffix, stem_of


class NamedFiles:
    """Looks for files in a folder; one in another folder than is named is another file.

    Args:
        folder: where they lie.
        usual: their extension where a name has none. Of images, any other will do if no file has this one.
    """

    def __init__(self, folder: Path, usual: str) -> None:
        self._folder = folder
        self._usual = usual
        self._finder = ImageFinder(folder, anywhere=False)

    def find(self, name: str) -> Path | None:
        """The file of a name; None where there is none, or more than one that fits."""
        return self._finder.find(self._full(name)) or self._finder.find(name)

    def path(self, name: object) -> Path:
        """The same; where there is none, its usual path, so that reading it says what is missing.

        Raises:
            BrokenFileError: it is no name, leads out of the folder, or fits several files.
        """
        if not isinstance(name, str):
            return inside(self._folder, name)
        found = self.find(name)
        if found is None and len(self._finder.candidates(name)) > 1:
            raise BrokenFileError(self._folder, self._finder.missing(name))
        return found or inside(self._folder, self._full(name))

    def _full(self, name: str) -> str:
        return name if has_suffix(name) else f"{name}{self._usual}"


def without_suffix(name: str) -> str:
    """A name without the extension of an image, if it has one."""
    return stem_of(name) if has_suffix(name) else name
