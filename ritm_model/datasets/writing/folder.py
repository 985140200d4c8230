"""The folder that a conversion writes into: it survives interruption, and holds nothing else.

conversion.part.jsonl   while it lasts: what is converted, then one line per photograph that is done
images/                 the photographs
annotations.json        at the end: see `ritm_model.datasets.readers.coco_rle`
conversion.json         at the end: what was converted, what was taken, what was left out and why
"""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ritm_model.datasets.problems import ConversionError
from ritm_model.datasets.readers.coco_rle import IMAGES
from ritm_model.datasets.writing.records import Record
from ritm_model.files import new_file, writing

MANIFEST = "conversion.json"
PART = "conversion.part.jsonl"
FORMAT = 1


class ConversionFolder:
    """Where records of photographs gather until all are there."""

    def __init__(self, path: Path, settings: Mapping[str, Any], *, fresh: bool = False) -> None:
        """Make the folder, or go on in it.

        Args:
            path: of the folder.
            settings: what is converted and how, as JSON.
            fresh: discard what an interrupted conversion has left, and what another one has made.

        Raises:
            ConversionError: it holds something else, or cannot be written.
        """
        self.path = path
        self._part = path / PART
        self._places: dict[str, int] = {}
        self.settings = json.loads(json.dumps({"format": FORMAT, **settings}))
        with writing(path, ConversionError):
            path.mkdir(parents=True, exist_ok=True)
            self._check(fresh)
            if fresh:
                self._part.unlink(missing_ok=True)
            if not self._part.exists():
                self._part.write_text(json.dumps(self.settings) + "\n", encoding="utf-8")
            self._read_part()

    @property
    def images(self) -> Path:
        return self.path / IMAGES

    @property
    def done(self) -> frozenset[str]:
        """Names of the photographs that have a record."""
        return frozenset(self._places)

    def append(self, record: Record) -> None:
        """Keep a record.

        Raises:
            ConversionError: it cannot be written.
        """
        with writing(self.path, ConversionError), self._part.open("ab") as file:
            self._places[record["name"]] = file.tell()
            file.write(json.dumps(record).encode() + b"\n")

    def records(self, names: list[str]) -> Iterator[Record]:
        """The records of photographs, one by one, so that memory never holds all of them."""
        with self._part.open("rb") as file:
            for name in names:
                file.seek(self._places[name])
                yield json.loads(file.readline())

    @contextmanager
    def written(self, name: str) -> Iterator[codecs.StreamWriter]:
        """Write a file whole or not at all.

        Raises:
            ConversionError: it cannot be written.
        """
        with writing(self.path, ConversionError), new_file(self.path / name) as file:
            yield codecs.getwriter("utf-8")(file)

    def delete_records(self) -> None:
        """Remove what is only needed while a conversion lasts."""
        self._part.unlink(missing_ok=True)
        self._places.clear()

    def _check(self, fresh: bool) -> None:
        """Refuse a folder that holds something else."""
        begun = _read_settings(self._part, first_line=True)
        made = _read_settings(self.path / MANIFEST)
        if begun is None and made is None:
            others = [entry.name for entry in self.path.iterdir()]
            if others:
                raise ConversionError(
                    f"{self.path} holds something else ('{min(others)}'); choose an empty or a new folder."
                )
        differing = sorted(
            name
            for found in (begun, made)
            if found is not None
            for name in {*found, *self.settings}
            if found.get(name) != self.settings.get(name)
        )
        if differing and not fresh:
            raise ConversionError(
                f"{self.path} holds another conversion (other {', '.join(dict.fromkeys(differing))}); "
                "choose another folder, or discard that one with --fresh."
            )

    def _read_part(self) -> None:
        """Find the records; half a line at the end, of a process that was killed, is cut off."""
        with self._part.open("rb") as file:
            place = len(file.readline())
            for line in file:
                if not line.endswith(b"\n"):
                    os.truncate(self._part, place)
                    return
                try:
                    self._places[json.loads(line)["name"]] = place
                except (KeyError, TypeError, ValueError):
                    raise ConversionError(f"{self._part} is damaged; begin anew with --fresh.") from None
                place += len(line)


def _read_settings(path: Path, *, first_line: bool = False) -> dict[str, Any] | None:
    """What a conversion said of itself; nothing where there is none."""
    try:
        with path.open(encoding="utf-8") as file:
            content = json.loads(file.readline() if first_line else file.read())
        settings = content if first_line else content["settings"]
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError):
        settings = None
    if not isinstance(settings, dict):
        raise ConversionError(f"{path} is damaged; choose another folder.")
    return settings
