"""From the name of a data set to its samples: where it lies, what is missing, what is broken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ritm_model.datasets.files import read_bytes
from ritm_model.datasets.layouts import DATASETS, Layout
from ritm_model.datasets.photograph import Collection
from ritm_model.datasets.problems import BrokenFileError, DatasetError, Problem
from ritm_model.datasets.samples import Dataset, OnProgress, survey
from ritm_model.yaml_text import read_yaml

Roots = Mapping[str, Path | str]
"""Where data sets lie, by name: a path, or LAYOUT:PATH for those with a name of your own."""

# What a configuration file of the paper's code holds besides.
OTHER_KEYS = frozenset({"INTERACTIVE_MODELS_PATH", "EXPS_PATH", "IMAGENET_PRETRAINED_MODELS"})


@dataclass(frozen=True, slots=True)
class Place:
    """A data set that has been found.

    Attributes:
        name: as it was asked for.
        layout: how it is laid out.
        root: its folder, or file.
        split: which part of it, or nothing.
    """

    name: str
    layout: Layout
    root: Path
    split: str

    def missing(self) -> list[Path]:
        """What ought to be there and is not."""
        if self.root.is_file() or not self.root.exists():  # a file holds all, or says itself what it lacks
            return [] if self.root.exists() else [self.root]
        choices = [names.split(" or ") for names in self.layout.files(self.split)]
        return [self.root / names[0] for names in choices if not any(map(self._has, names))]

    def _has(self, name: str) -> bool:
        """Whether there is such a file or folder, or one that fits a pattern."""
        return any(True for _ in self.root.glob(name)) if "*" in name else (self.root / name).exists()


def open_dataset(name: str, roots: Roots, on_progress: OnProgress | None = None) -> Dataset:
    """Open a data set. Every image and every mask is read once, so that what is broken is known at once.

    Args:
        name: one in `DATASETS`, or one of your own in `roots`; with a split as NAME:SPLIT.
        roots: where they lie.
        on_progress: called while files are read.

    Returns:
        All usable samples, at least one, and everything that was left out.

    Raises:
        DatasetError: unknown, not where it was said to be, not laid out as it should be, or without a
            single usable sample.
    """
    place = find_dataset(name, roots)
    missing = place.missing()
    if missing:
        names = ", ".join(map(str, missing))
        raise DatasetError(f"{name} is incomplete: {names} is missing. {_source(place.layout)}".strip())
    return _usable(survey(name, place.layout.read(place.root, place.split), on_progress), f" in {place.root}")


def open_collection(name: str, collection: Collection, on_progress: OnProgress | None = None) -> Dataset:
    """Open photographs that are given as an object, as `open_dataset` does.

    Raises:
        DatasetError: there is not a single usable sample.
    """
    return _usable(survey(name, collection, on_progress), "")


def _usable(dataset: Dataset, where: str) -> Dataset:
    if not len(dataset):
        problem = _first_problem(dataset.problems)
        raise DatasetError(f"{dataset.name} has no usable samples{where}: {problem}")
    return dataset


def find_dataset(name: str, roots: Roots) -> Place:
    """Where a data set lies and how it is read, without looking into it.

    Raises:
        DatasetError: unknown, without a place, or without such a split.
    """
    own, _, split = name.partition(":")
    layout_name, path = _parsed(roots[own]) if own in roots else ("", None)
    layout = DATASETS.get(layout_name or own)
    if layout is None and path is None:
        known = ", ".join(dict.fromkeys((*DATASETS, *roots)))
        raise DatasetError(f"There is no data set '{own}'; known ones are {known}.")
    if layout is None:
        raise DatasetError(
            f"The layout of '{own}' is not known; put one of {', '.join(DATASETS)} before its path, "
            f"as in {own}=labels:{path}."
        )
    if path is None:
        raise DatasetError(f"Where is {own}? Give its folder as {own}=PATH. {_source(layout)}".strip())
    if split and not layout.has_splits:
        raise DatasetError(f"{own} has no splits, so there is no '{split}'.")
    if "/" in split or "\\" in split or split == "..":
        raise DatasetError(f"'{split}' is no name of a split.")
    return Place(name, layout, path, split or layout.split)


def read_roots(path: str | Path) -> dict[str, str]:
    """Read where data sets lie from a YAML file.

    Keys are names of data sets, or those of the paper's `config.yml` such as GRABCUT_PATH. Relative paths
    start at the file.

    Raises:
        DatasetError: missing, or not such a file.
    """
    path = Path(path)
    try:
        content = read_yaml(read_bytes(path))
    except ValueError as error:
        raise BrokenFileError(path, f"The file is not YAML: {error}.") from None
    if not isinstance(content, dict):
        raise BrokenFileError(path, "The file does not hold NAME: PATH, line by line.")
    roots: dict[str, str] = {}
    for key, value in content.items():
        if key in OTHER_KEYS:
            continue
        if not isinstance(key, str) or not isinstance(value, str) or not value:
            raise BrokenFileError(path, f"The value of '{key}' is not a path.")
        layout_name, root = _parsed(value)
        text = str(path.parent / root.expanduser())
        names = [name for name, layout in DATASETS.items() if key in layout.config_keys]
        for name in names or [key]:
            # The keys that come first are the better ones: LVIS_v1_PATH for the combined annotations.
            better = name in roots and DATASETS[name].config_keys[0] != key if names else False
            if not better:
                roots[name] = f"{layout_name}:{text}" if layout_name else text
    return roots


def parse_roots(options: Iterable[str]) -> dict[str, str]:
    """Read NAME=PATH and NAME=LAYOUT:PATH.

    Raises:
        DatasetError: neither.
    """
    roots: dict[str, str] = {}
    for option in options:
        name, _, value = option.partition("=")
        if not name or not value:
            raise DatasetError(f"'{option}' does not say where a data set lies; write NAME=PATH.")
        roots[name] = value
    return roots


def _parsed(value: Path | str) -> tuple[str, Path]:
    layout_name, colon, path = str(value).partition(":")
    if colon and layout_name in DATASETS:
        return layout_name, Path(path).expanduser()
    return "", Path(value).expanduser()


def _first_problem(problems: Sequence[Problem]) -> str:
    if not problems:
        return "it is empty."
    broken = [problem for problem in problems if not problem.by_rule] or problems
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{broken[0]}{more}"


def _source(layout: Layout) -> str:
    return f"It comes from {layout.source}." if layout.source else ""
