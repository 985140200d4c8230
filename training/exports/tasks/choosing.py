"""From the annotations in the library to photographs: whose work counts, and on which pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ritm_model.datasets.problems import Problem
from ritm_model.errors import RitmError
from ritm_model.images.names import base_name
from training.exports.library import Library
from training.exports.tasks.keeping import Keeper
from training.exports.tasks.rows import Rules
from training.exports.tasks.stored import StoredPhotograph, photograph_name
from training.whose import Whose


@dataclass(slots=True)
class _Wanted:
    """A picture of a task, and the annotations that count on it, the newest first."""

    task: str
    task_key: str
    rows: list[int]
    digests: list[str]
    truth: str


def chosen_photographs(
    library: Library,
    keeper: Keeper,
    whose: Whose,
    rules: Rules,
    unused: Counter[str],
    problems: list[Problem],
) -> Iterator[StoredPhotograph]:
    """The photographs of tasks.

    Args:
        library: what was read.
        keeper: gets pictures.
        whose: work counts.
        rules: by which was read.
        unused: hears how many annotations do not count, by reason.
        problems: hears of what is left out of those that do.

    Raises:
        StoreError: see `Keeper.all`.
    """
    wanted: dict[str, list[_Wanted]] = {}
    names: Counter[str] = Counter()
    for key, entries in library.tasks():
        of_task: dict[str, _Wanted] = {}
        for entry in whose.choose(entries, unused, predictions=rules.predictions):
            truth = f"annotation {entry.id}"
            problems += library.problems_of(entry.row)
            parts = list(library.parts(entry.row))
            if not parts:
                unused["without a mask: no object is there, or none that is read"] += 1
            for reference, digest in parts:
                item = of_task.setdefault(reference, _Wanted(entry.task, key, [], [], truth))
                item.rows.append(entry.row)
                item.digests.append(digest)
        for reference, item in of_task.items():
            wanted.setdefault(reference, []).append(item)
            names[_name(item, reference, is_shared=False)] += 1
    tasks = {reference: items[0].task for reference, items in wanted.items()}
    for reference, found in keeper.all(tasks):
        for item in wanted[reference]:
            if isinstance(found, RitmError):
                problems.append(Problem(item.truth, str(found)))
                continue
            name = _name(item, reference, is_shared=False)
            if names[name] > 1:
                name = _name(item, reference, is_shared=True)
            yield StoredPhotograph(
                name,
                found.path,
                found.sha256,
                reference,
                f"{item.task_key} {reference}",
                tuple(item.rows),
                tuple(item.digests),
                item.truth,
                library,
            )


def _name(item: _Wanted, reference: str, *, is_shared: bool) -> str:
    return photograph_name(item.task, reference, base_name(reference), is_shared=is_shared)
