"""A benchmark that no recipe for shipping learns from: objects of six kinds, chosen once, in a list.

The photographs are those of a pack that are for research only, and of microscopy the held-out
ones. `choose` wrote the list; `build` makes a data set of it, with the kind as the class of each object:

    python bench/models/own_benchmark.py choose --pack train_pack --pack train_pack2 > own_benchmark.tsv
    python bench/models/own_benchmark.py build --pack train_pack --pack train_pack2 --out OWN
    ritm evaluate bundled --datasets own --root own=COCO:OWN/annotations.json --eval-mode serving

Shapes: H x W the photograph.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from packs import PackPicture

from ritm_model.datasets.mask_files import read_labels
from ritm_model.datasets.photograph import Collection, Region
from ritm_model.datasets.readers.pack import IGNORED_VALUE, PackEntry, read_pack
from ritm_model.datasets.writing.convert import convert
from ritm_model.learning.held_out import is_held_out

LIST = Path(__file__).with_suffix(".tsv")
RESEARCH = ("research-only", "unclear")
VALIDATION_SHARE = 0.1  # of the recipes that learn from microscopy
COUNTS = {"whole": 60, "region": 60, "thin": 40, "small": 30, "several": 40, "microscopy": 20}
WHOLE = ("ecssd", "weizmann-horse", "human")
PARTS = ("bsds", "clothing")
CROWDS = ("pennfudan", "feralcat")
THIN = 0.32  # greatest width over the root of the area; a disk has 1.13
SMALL = (0.002, 0.01)  # of the photograph
LEAST = 0.004  # of the photograph, of all but small objects


class Row(NamedTuple):
    """An object: its kind, the mask file below its pack, and its value there."""

    kind: str
    mask: str
    value: int


@dataclass(frozen=True, slots=True)
class Asked(PackPicture):
    """A photograph with the objects that are asked for."""

    rows: tuple[Row, ...]

    def regions(self, height: int, width: int) -> Iterator[Region]:
        del height, width  # those of the mask, or the conversion says so
        labels_HW = read_labels(self.folder / self.entry.mask)
        for row in self.rows:
            yield Region(labels_HW == row.value, str(row.value), row.kind)
        if (labels_HW == IGNORED_VALUE).any():
            yield Region(labels_HW == IGNORED_VALUE, "ignored", kind="ignored")


def choose(packs: Sequence[Path]) -> list[Row]:
    """One object of each photograph, in an order that follows from names, until every kind is full."""
    found: dict[str, list[Row]] = {kind: [] for kind in COUNTS}
    seen: set[str] = set()
    entries = [(pack, entry) for pack in packs for entry in read_pack(pack)]
    for pack, entry in sorted(entries, key=lambda one: digest(one[1].mask)):
        if entry.image in seen or not may_be_chosen(entry):
            continue
        labels_HW = read_labels(pack / entry.mask)
        for item in sorted(entry.objects, key=lambda one: digest(f"{entry.mask}#{one.id}")):
            kind = kind_of(entry, item.area, labels_HW == item.id)
            if kind and len(found[kind]) < COUNTS[kind]:
                found[kind].append(Row(kind, entry.mask, item.id))
                seen.add(entry.image)
                break
    return [row for rows in found.values() for row in rows]


def may_be_chosen(entry: PackEntry) -> bool:
    if entry.source == "nuclei":
        return is_held_out(Path(entry.image).name, VALIDATION_SHARE)
    return entry.license_class in RESEARCH


def kind_of(entry: PackEntry, area: float, mask_HW: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> str:
    """The kind of an object, or nothing for one that is not asked for."""
    if entry.source == "nuclei":
        return "microscopy" if area >= SMALL[0] else ""
    if SMALL[0] <= area < SMALL[1] and entry.source in PARTS + CROWDS:
        return "small"
    if area < LEAST:
        return ""
    padded = np.pad(mask_HW.astype(np.uint8), 1)
    widest = 2 * cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max()
    if widest < THIN * np.sqrt(mask_HW.sum()):
        return "thin"
    if entry.source in CROWDS and len(entry.objects) > 1:
        return "several"
    if entry.source in WHOLE or "salient" in entry.mask:
        return "whole"
    return "region" if entry.source in PARTS else ""


def build(packs: Sequence[Path], rows: Sequence[Row], out: Path) -> Path:
    """Write the objects of the list as a folder of the COCO-RLE layout."""
    known = {entry.mask: (pack, entry) for pack in packs for entry in read_pack(pack)}
    by_mask: dict[str, list[Row]] = {}
    for row in rows:
        by_mask.setdefault(row.mask, []).append(row)
    photographs = [Asked(*known[mask], tuple(some)) for mask, some in by_mask.items()]
    settings = {"benchmark": "own", "objects": digest(str(sorted(rows)))}
    return convert(Collection(photographs), out, settings, placing="link").folder


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def read_list(path: Path = LIST) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return [Row(kind, mask, int(value)) for kind, mask, value in list(csv.reader(file, delimiter="\t"))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["choose", "build"])
    parser.add_argument("--pack", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, help="Folder that `build` writes.")
    asked = parser.parse_args()
    if asked.what == "choose":
        csv.writer(sys.stdout, delimiter="\t", lineterminator="\n").writerows(choose(asked.pack))
    elif asked.out is None:
        parser.error("build needs --out")
    else:
        print(build(asked.pack, read_list(), asked.out))


if __name__ == "__main__":
    main()
