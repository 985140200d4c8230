"""Several exports of one place: the newest of a CVAT task counts, and equal names are told apart.

CVAT names a zip after the project, task or job and the date, and its XML files say the same inside:

    task_7_annotations_2026_01_31_12_00_00_coco 1.0.zip
    task_street-2026_01_31_12_00_00-cvat for images 1.1.zip

Frames of different tasks may have the same name, and are different photographs.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from ritm_model.datasets.photograph import Photograph
from ritm_model.datasets.problems import Problem

_NAME = re.compile(
    r"(?P<kind>project|task|job)_(?P<name>.+?)[_-](?:(?:annotations|dataset)[_-])?"
    r"(?P<when>\d{4}(?:_\d{2}){5})(?:[_-].*)?",
    re.IGNORECASE,
)
_KINDS = ("task", "job", "project")


@dataclass(frozen=True, slots=True)
class Identity:
    """What an export is of: its kind, the id in its server if that is known, and its name."""

    kind: str = ""
    id: str = ""
    names: frozenset[str] = frozenset()

    def is_same(self, other: Identity) -> bool:
        """Whether both are known to be of one task, job or project."""
        if not self.kind or self.kind != other.kind:
            return False
        if self.id and other.id:
            return self.id == other.id
        return not ({self.id, *self.names} - {""}).isdisjoint({other.id, *other.names} - {""})

    def is_other(self, other: Identity) -> bool:
        """Whether both are known to be of different ones."""
        return bool(self.kind) and self.kind == other.kind and not self.is_same(other)


@dataclass
class Export:
    """One export.

    Attributes:
        label: of its file, as people know it. What one file holds is of one time, whatever it is of.
        identity: what it is of.
        when: it was made, ISO in UTC, or nothing.
        photographs: that it holds.
        problems: what is left out of it.
        part: of the file, where it holds several: the name of a subset, or a folder.
    """

    label: str
    identity: Identity = Identity()
    when: str = ""
    photographs: list[Photograph] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    part: str = ""

    def is_newer_than(self, other: Export) -> bool:
        """Whether it takes the place of another, which comes before it in time."""
        return self.label != other.label and self.identity.is_same(other.identity)


def described(label: str, folder: Path | None = None) -> tuple[Identity, str]:
    """What an export is of and when it was made, by its name, and by what the XML in its folder says."""
    found = _NAME.fullmatch(PurePosixPath(label).name.removesuffix(".zip").removesuffix(".ZIP"))
    kind, when = (found["kind"].lower(), _utc(found["when"], "%Y_%m_%d_%H_%M_%S")) if found else ("", "")
    names = frozenset({found["name"].casefold()}) if found else frozenset()
    meta = _meta(folder / "annotations.xml") if folder is not None else None
    for inner in _KINDS:
        element = meta.find(inner) if meta is not None else None
        if element is not None and meta is not None:
            name = (element.findtext("name") or "").strip().casefold()
            number, created = ((element.findtext(key) or "").strip() for key in ("id", "created"))
            dumped = _utc(meta.findtext("dumped") or element.findtext("updated") or "")
            if inner != kind:
                names = frozenset()
            id = f"{number} {created}".strip()
            return Identity(inner, id, frozenset({*names, name, number} - {""})), dumped or when
    return Identity(kind, "", names), when


def newest_only(exports: Sequence[Export], unused: Counter[str]) -> list[Export]:
    """Of several exports of one task, the newest."""
    kept: list[Export] = []
    for export in sorted(exports, key=lambda item: (item.when, item.label), reverse=True):
        newer = next((other for other in kept if other.is_newer_than(export)), None)
        if newer is None:
            kept.append(export)
        else:
            unused["of an older export of the same task"] += len(export.photographs)
            reason = f"It is older than {newer.label}, an export of the same {newer.identity.kind}."
            newer.problems.append(Problem(export.label, reason, by_rule=True))
    return sorted(kept, key=lambda item: item.label)


def told_apart(exports: Sequence[Export], unused: Counter[str]) -> list[Photograph]:
    """The photographs of all, with other names where several have one.

    Equal files under one name are one photograph, of which the newest export counts, unless they are of
    different tasks.
    """
    by_name: dict[str, list[tuple[Export, Photograph]]] = {}
    for export in exports:
        own: set[str] = set()
        for photograph in export.photographs:
            if photograph.name in own:
                reason = f"There are two photographs called {photograph.name}; the first counts."
                export.problems.append(Problem(export.label, reason))
                continue
            own.add(photograph.name)
            by_name.setdefault(photograph.name, []).append((export, photograph))
    found: list[Photograph] = []
    for name, same in by_name.items():
        if len(same) == 1:
            found.append(same[0][1])
            continue
        distinct: list[tuple[Export, Photograph, str]] = []
        for export, photograph in sorted(same, key=lambda item: (item[0].when, item[0].label), reverse=True):
            digest = _digest(photograph.image)
            if any(digest == other and not export.identity.is_other(e.identity) for e, _, other in distinct):
                unused["of an older export of the same photograph"] += 1
            else:
                distinct.append((export, photograph, digest))
        labels = Counter(export.label for export, _, _ in distinct)
        stems = Counter(_place(export, labels) for export, _, _ in distinct)
        for export, photograph, _ in distinct:
            stem = _place(export, labels)
            if stems[stem] > 1:
                stem += f"-{hashlib.sha256(f'{export.label} {export.part}'.encode()).hexdigest()[:8]}"
            other = f"{stem}/{name}" if len(distinct) > 1 else name
            renamed: Any = photograph  # each kind of photograph is a dataclass with a name
            found.append(replace(renamed, name=other))
    return found


def _place(export: Export, labels: Counter[str]) -> str:
    """A name of an export; with its part, where several are of one file."""
    part = f"-{_plain(export.part)}" if labels[export.label] > 1 and export.part else ""
    return f"{_stem(export.label)}{part}"


def _stem(label: str) -> str:
    return _plain(PurePosixPath(label).name.rpartition(".")[0] or PurePosixPath(label).name)


def _plain(name: str) -> str:
    return (
        "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name).lstrip(".")
        or "export"
    )


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return str(path)


def _meta(path: Path) -> ElementTree.Element | None:
    """The `meta` of an XML file, without reading on to its images."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            begin = file.read(1 << 20)
            if b"<!DOCTYPE" in begin or b"<annotations" not in begin:
                return None  # without a document type there are no entities to expand
            file.seek(0)
            for _, element in ElementTree.iterparse(file, ("end",)):  # noqa: S314  (see above)
                if element.tag == "meta":
                    meta: ElementTree.Element = element
                    return meta
                if element.tag in ("image", "track"):
                    return None
    except (ElementTree.ParseError, OSError, ValueError, LookupError):
        pass
    return None


def _utc(text: str, form: str = "") -> str:
    try:
        time = datetime.strptime(text, form) if form else datetime.fromisoformat(text.strip())
    except ValueError:
        return ""
    return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).astimezone(timezone.utc).isoformat()
