"""The evaluations of a report: found, complete, comparable, and named so that they can be told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from ritm_model.errors import RitmError
from ritm_model.evaluation.compare import Comparison
from ritm_model.evaluation.origin import Origin, read_origin
from ritm_model.evaluation.run import Evaluation, load_evaluation
from ritm_model.evaluation.run_folder import SETTINGS, RunFolderError, expected_samples
from ritm_model.evaluation.summary import Summary, compare_evaluations, summarise

# Runs that stop by different rules have numbers of clicks that do not compare.
STOPPING = ("target_iou", "max_clicks", "min_clicks")


@dataclass(frozen=True, slots=True)
class Run:
    """One finished evaluation.

    Attributes:
        folder: where it lies.
        evaluation: its results.
        summary: its numbers.
        origin: where they come from, if that was noted.
        label: its model, and whatever else tells it from others of the report.
    """

    folder: Path
    evaluation: Evaluation
    summary: Summary
    origin: Origin | None
    label: str


@dataclass(frozen=True, slots=True)
class Group:
    """Runs on one data set from one kind of start: what may be compared.

    Attributes:
        dataset: its name.
        from_mask: annotation started from masks with mistakes.
        runs: at least one.
        comparisons: by label, each other run against the first.
        notes: why some could not be compared.
    """

    dataset: str
    from_mask: bool
    runs: tuple[Run, ...]
    comparisons: Mapping[str, Mapping[float, Comparison]]
    notes: tuple[str, ...]


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """The folders of evaluations; a folder that is none stands for all those below it.

    Raises:
        RunFolderError: there is no evaluation in or below one of them.
    """
    found: dict[Path, Path] = {}
    for folder in folders:
        here = [folder] if (folder / SETTINGS).is_file() else sorted(_below(folder))
        if not here:
            raise RunFolderError(f"{folder} holds no evaluation.")
        found.update({path.resolve(): path for path in here})
    return list(found.values())


def read_runs(
    folders: Sequence[Path], *, datasets: Sequence[str] = (), modes: Sequence[str] = ()
) -> list[Run]:
    """Read finished evaluations that may stand in one report.

    Args:
        folders: of evaluations.
        datasets: only these; all if empty.
        modes: only these; all if empty.

    Raises:
        RitmError: one is missing, damaged or unfinished, there twice, or its clicks were counted by other
            rules than those of the first; or none is left.
    """
    found = [(folder, load_evaluation(folder)) for folder in folders]
    evaluations = [
        (folder, evaluation)
        for folder, evaluation in found
        if (not datasets or evaluation.dataset in datasets)
        and (not modes or evaluation.protocol.mode in modes)
    ]
    if not evaluations:
        there = sorted({f"{one.dataset} with {one.protocol.mode}" for _, one in found})
        raise RitmError(f"None of the evaluations is wanted; there are {', '.join(there)}.")
    for folder, evaluation in evaluations:
        _check_finished(folder, evaluation)
    _check_comparable(evaluations)
    labels = _labels([evaluation for _, evaluation in evaluations])
    return [
        Run(folder, evaluation, summarise(evaluation), read_origin(folder), label)
        for (folder, evaluation), label in zip(evaluations, labels, strict=True)
    ]


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Put together what may be compared; annotation from nothing comes before that from masks."""

    def key(run: Run) -> tuple[bool, str]:
        return run.evaluation.protocol.from_mask, run.evaluation.dataset

    groups = []
    for (from_mask, dataset), members in groupby(sorted(runs, key=key), key):
        first, *others = members
        comparisons, notes = _against(first, others)
        groups.append(Group(dataset, from_mask, (first, *others), comparisons, notes))
    return groups


def _against(first: Run, others: Sequence[Run]) -> tuple[dict[str, dict[float, Comparison]], tuple[str, ...]]:
    comparisons: dict[str, dict[float, Comparison]] = {}
    notes: list[str] = []
    for other in others:
        try:
            comparisons[other.label] = compare_evaluations(first.evaluation, other.evaluation)
        except RitmError as error:  # noqa: PERF203  (a sentence of the report each)
            notes.append(str(error))
    return comparisons, tuple(notes)


def _below(folder: Path) -> list[Path]:
    return [path.parent for path in folder.rglob(SETTINGS)]


def _check_finished(folder: Path, evaluation: Evaluation) -> None:
    missing = expected_samples(folder) - len(evaluation.samples)
    if missing:
        raise RunFolderError(
            f"{folder} is not finished, {missing} of {missing + len(evaluation.samples)} objects are "
            "missing; the same `ritm evaluate` command again goes on where it stopped."
        )


def _check_comparable(evaluations: Sequence[tuple[Path, Evaluation]]) -> None:
    (first_folder, first), *others = evaluations
    seen = {_identity(first): first_folder}
    for folder, evaluation in others:
        for name in STOPPING:
            ours, theirs = getattr(first.protocol, name), getattr(evaluation.protocol, name)
            if ours != theirs:
                raise RitmError(
                    f"{folder} was made with {name} {theirs:g}, {first_folder} with {ours:g}: their clicks "
                    "do not compare, so make a report for each."
                )
        twin = seen.setdefault(_identity(evaluation), folder)
        if twin != folder:
            raise RitmError(f"{twin} and {folder} hold the same evaluation; give one of them.")


def _identity(evaluation: Evaluation) -> str:
    return repr((evaluation.model, evaluation.dataset, evaluation.protocol))


def _labels(evaluations: Sequence[Evaluation]) -> list[str]:
    """The model, and the rules in which evaluations of one data set from one start differ."""
    labels = []
    for evaluation in evaluations:
        rivals = [other.protocol.settings() for other in evaluations if _is_rival(evaluation, other)]
        own = evaluation.protocol.settings()
        # Refinements that are off are not among the rules.
        telling = [name for name in own if any(other.get(name) != own[name] for other in rivals)]
        words = [_WORDS.get(name, _plainly(name))(own[name]) for name in telling]
        start = ["from masks"] if evaluation.protocol.from_mask else []
        labels.append(", ".join([evaluation.model, *words, *start]))
    return labels


def _is_rival(first: Evaluation, second: Evaluation) -> bool:
    same_start = first.protocol.from_mask == second.protocol.from_mask
    return same_start and first.dataset == second.dataset


def _plainly(name: str) -> Callable[[Any], str]:
    return lambda value: f"{name.replace('_', ' ')} {value}"


def zoom_words(zoom_in: Mapping[str, Any] | None) -> str:
    """The zoom-in in words."""
    if zoom_in is None:
        return "no zoom-in"
    size = zoom_in["target_size"]
    shown = f"{size[1]} x {size[0]}" if isinstance(size, list) else f"{size}"
    start = {-1: "from the first click on", 0: "after a view of the whole"}
    skip = zoom_in["skip_clicks"]
    return f"zoom-in to {shown} pixels {start.get(skip, f'after {skip} click' + 's' * (skip > 1))}"


_WORDS: Mapping[str, Callable[[Any], str]] = {
    "mode": str,
    "with_flip": lambda flip: "flip" if flip else "no flip",
    "reference": lambda is_paper: "the paper's rules" if is_paper else "own rules",
    "net_clicks_limit": lambda limit: "all clicks seen" if limit is None else f"{limit} clicks seen",
    "zoom_in": zoom_words,
    "merge": lambda _: "merged with the mask before",
}
