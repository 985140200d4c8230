"""Which of these layouts a folder has that somebody has exported or unpacked."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from ritm_model.datasets.files import read_json
from ritm_model.datasets.problems import BrokenFileError
from ritm_model.datasets.readers.outlines.via import metadata

_TRIED = 3


def layout_of(folder: Path) -> str:
    """The name of the layout, by a few of the files; nothing where they do not tell."""
    if any(path.is_file() for path in folder.rglob("labels/**/*.txt")):
        return "yolo"
    for path in islice(folder.rglob("*.json"), _TRIED):
        try:
            content = read_json(path)
        except BrokenFileError:
            continue
        if isinstance(content, dict) and isinstance(content.get("shapes"), list) and "imagePath" in content:
            return "labelme"
        if metadata(content) is not None:
            return "via"
    return ""
