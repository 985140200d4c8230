"""From a collection to a folder of the COCO-RLE layout, on all cores, going on where it was interrupted."""

from __future__ import annotations

import json
import signal
from codecs import StreamWriter
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2

from ritm_model.datasets.files import inside
from ritm_model.datasets.photograph import Collection, Photograph
from ritm_model.datasets.problems import BrokenFileError, ConversionError, Problem
from ritm_model.datasets.readers.coco_rle import ANNOTATIONS
from ritm_model.datasets.writing.folder import MANIFEST, ConversionFolder
from ritm_model.datasets.writing.records import Conversion, Placing, Record

NO_CATEGORY = "object"
KINDS = {"object": "objects", "part": "parts", "stuff": "stuff", "ignored": "ignored"}

OnProgress = Callable[[int, int], None]
"""Called with the number of photographs that are done and the number of all."""

Converter = Callable[[Photograph], Record]
"""From a photograph to its record; must be picklable where several processes are used."""


@dataclass(frozen=True, slots=True)
class ConversionOutcome:
    """What came of a conversion.

    Attributes:
        folder: of the COCO-RLE layout.
        photographs: how many were taken.
        counts: of regions by kind: objects, their parts, stuff, ignored.
        problems: everything that was left out.
    """

    folder: Path
    photographs: int
    counts: Mapping[str, int]
    problems: tuple[Problem, ...]


def convert(
    collection: Collection,
    out: Path,
    settings: Mapping[str, Any],
    *,
    placing: Placing = "copy",
    jobs: int = 1,
    fresh: bool = False,
    on_progress: OnProgress | None = None,
    wrapped: Callable[[Conversion], Converter] = lambda work: work,
) -> ConversionOutcome:
    """Write a collection as a folder of the COCO-RLE layout.

    The same collection gives the same files, for any number of processes and after any interruption.

    Args:
        collection: what to convert.
        out: the folder; new, empty, or of the same conversion.
        settings: what is converted and how, as JSON, to tell conversions apart.
        placing: copy photographs, or link to them.
        jobs: processes; 1 stays in this one.
        fresh: discard what is there of an earlier conversion.
        on_progress: called after each photograph.
        wrapped: what converts a photograph, made from what does so by default; for example, to remember it.

    Raises:
        ConversionError: nothing could be taken, the folder holds something else, or cannot be written.
    """
    photographs, problems = _named_once(collection, out)
    folder = ConversionFolder(out, {**settings, "placing": placing}, fresh=fresh)
    missing = [photograph for name, photograph in photographs.items() if name not in folder.done]
    with closing(_records(wrapped(Conversion(folder.images, placing)), missing, jobs)) as records:
        for count, record in enumerate(records, len(photographs) - len(missing) + 1):
            folder.append(record)
            if on_progress is not None:
                on_progress(count, len(photographs))

    names = list(photographs)
    taken = _Taken.of(folder.records(names))
    problems += [Problem(*problem) for record in folder.records(names) for problem in record["problems"]]
    if not taken.photographs:
        folder.delete_records()
        raise ConversionError(f"There is nothing to write into {out}: {_first_broken(problems)}")
    with folder.written(ANNOTATIONS) as file:
        _write_annotations(file, lambda: folder.records(names), taken, collection)
    with folder.written(MANIFEST) as file:
        json.dump(_manifest(folder.settings, taken, problems), file, indent=1, ensure_ascii=False)
    folder.delete_records()
    return ConversionOutcome(
        out, taken.photographs, {kind: taken.kinds[kind] for kind in KINDS.values()}, tuple(problems)
    )


def _named_once(collection: Collection, out: Path) -> tuple[dict[str, Photograph], list[Problem]]:
    """The photographs by their names, without those whose name is taken, or leads out of the folder."""
    problems = list(collection.problems)
    photographs: dict[str, Photograph] = {}
    for photograph in collection.photographs:
        try:
            inside(out, photograph.name)
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        if photographs.setdefault(photograph.name, photograph) is not photograph:
            reason = f"There are two photographs called {photograph.name}; the first counts."
            problems.append(Problem(photograph.name, reason))
    return photographs, problems


def _records(work: Converter, photographs: Sequence[Photograph], jobs: int) -> Generator[Record, None, None]:
    """Convert in order; processes that are still at work when nobody asks any more are let go."""
    jobs = min(jobs, len(photographs))
    if jobs <= 1:
        yield from map(work, photographs)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), _begin) as pool:
        try:
            yield from pool.map(work, photographs)
        except BrokenProcessPool:
            raise ConversionError(
                "A process has died; with little memory, use fewer --jobs. What was finished is kept."
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    cv2.setNumThreads(1)


@dataclass(frozen=True, slots=True)
class _Taken:
    """Counts of what was taken."""

    photographs: int
    kinds: Counter[str]
    categories: Counter[str]
    about: Mapping[str, Counter[str]]
    has_numbers: bool

    @classmethod
    def of(cls, records: Iterable[Record]) -> _Taken:
        kinds: Counter[str] = Counter()
        categories: Counter[str] = Counter()
        about: dict[str, Counter[str]] = {name: Counter() for name in ("split", "source", "license")}
        numbers: set[int] = set()
        photographs = 0
        for record in records:
            if record["image"] is None:
                continue
            photographs += 1
            if "number" in record["image"]:
                numbers.add(record["image"]["number"])
            for name, counter in about.items():
                counter[record["image"].get(name, "")] += 1
            for region in record["regions"]:
                kinds[KINDS["part" if region["parent"] else region["kind"]]] += 1
                categories[region["category"] or NO_CATEGORY] += 1
        return cls(photographs, kinds, categories, about, len(numbers) == photographs)


def _write_annotations(
    file: StreamWriter, records: Callable[[], Iterator[Record]], taken: _Taken, collection: Collection
) -> None:
    """Write annotations.json line by line; the records are read twice."""
    licenses = {name: number for number, name in enumerate(sorted(filter(None, taken.about["license"])), 1)}
    categories = _category_ids(taken.categories, collection.category_ids)
    file.write('{"info": {"description": "COCO-RLE layout written by ritm dataset", "version": "1"}')
    _write_list(
        file,
        "licenses",
        (
            {"id": number, "name": name, "url": collection.license_urls.get(name, "")}
            for name, number in licenses.items()
        ),
    )
    _write_list(
        file,
        "categories",
        (
            {"id": number, "name": name}
            for name, number in sorted(categories.items(), key=lambda item: item[1])
        ),
    )
    _write_list(file, "images", _images(records(), taken, licenses))
    _write_list(file, "annotations", _annotations(records(), taken, categories))
    file.write("}\n")


def _write_list(file: StreamWriter, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    file.write(f',\n"{name}": [')
    for place, row in enumerate(rows):
        file.write(",\n" if place else "\n")
        file.write(json.dumps(row, ensure_ascii=False))
    file.write("]")


def _numbered(records: Iterable[Record], taken: _Taken) -> Iterator[tuple[int, Record]]:
    """The photographs that were taken, with the ids of the source if all have one."""
    usable = (record for record in records if record["image"] is not None)
    for place, record in enumerate(usable, 1):
        yield (record["image"]["number"] if taken.has_numbers else place), record


def _images(
    records: Iterable[Record], taken: _Taken, licenses: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    for number, record in _numbered(records, taken):
        about = {key: value for key, value in record["image"].items() if key not in ("number", "license")}
        license_id = licenses.get(record["image"].get("license", ""))
        row = {"id": number, "file_name": record["name"], **about}
        yield row if license_id is None else {**row, "license": license_id}


def _annotations(
    records: Iterable[Record], taken: _Taken, categories: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    before = 0  # annotations of the photographs that came before
    for number, record in _numbered(records, taken):
        regions = record["regions"]
        ids = {region["key"]: before + place for place, region in enumerate(regions, 1)}
        parents = {region["key"]: region["parent"] for region in regions}
        children: dict[str, list[int]] = {}
        for region in regions:
            children.setdefault(region["parent"], []).append(ids[region["key"]])
        for region in regions:
            key = region["key"]
            row = {
                "id": ids[key],
                "image_id": number,
                "category_id": categories[region["category"] or NO_CATEGORY],
                "segmentation": {
                    "size": [record["image"]["height"], record["image"]["width"]],
                    "counts": region["counts"],
                },
                "area": region["area"],
                "bbox": region["bbox"],
                "iscrowd": int(region["kind"] == "ignored"),
                "key": key,
            }
            if region["kind"] == "ignored":
                row["ignore"] = 1
            elif region["kind"] == "stuff":
                row["stuff"] = 1
            elif region["parent"] is not None or key in children:
                row["parent"] = None if region["parent"] is None else ids[region["parent"]]
                row["children"] = children.get(key, [])
                row["level"] = _level(key, parents)
            yield row
        before += len(regions)


def _level(key: str, parents: Mapping[str, str | None]) -> int:
    level, parent = 0, parents[key]
    while parent is not None:
        level, parent = level + 1, parents[parent]
    return level


def _category_ids(used: Iterable[str], kept: Mapping[str, int]) -> dict[str, int]:
    """Categories keep the numbers of the source; others get the next ones, in the order of their names."""
    ids = dict(kept)
    for name in sorted(used):
        if name not in ids:
            ids[name] = max(ids.values(), default=0) + 1
    return ids


def _manifest(settings: Mapping[str, Any], taken: _Taken, problems: Sequence[Problem]) -> dict[str, Any]:
    broken = [problem for problem in problems if not problem.by_rule]
    by_rule = [problem for problem in problems if problem.by_rule]
    return {
        "settings": settings,
        "taken": {
            "photographs": taken.photographs,
            **{kind: taken.kinds[kind] for kind in KINDS.values()},
            **{name: dict(sorted(counter.items())) for name, counter in taken.about.items()},
            "categories": dict(sorted(taken.categories.items())),
        },
        "left_out": {
            "broken": [{"file": problem.file, "reason": problem.reason} for problem in broken],
            "by_rule": [{"file": problem.file, "reason": problem.reason} for problem in by_rule],
        },
    }


def _first_broken(problems: Sequence[Problem]) -> str:
    if not problems:
        return "it is empty."
    first = next((problem for problem in problems if not problem.by_rule), problems[0])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{first}{more}"
