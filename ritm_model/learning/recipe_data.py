"""From what a recipe says of its data, and where that lies, to photographs to learn from."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from ritm_model.datasets import DATASETS, DatasetError, Roots, find_dataset
from ritm_model.datasets.photograph import Collection, Photograph
from ritm_model.datasets.readers.coco import CocoPhotograph
from ritm_model.datasets.readers.coco_rle import ANNOTATIONS, coco_rle, is_coco_rle
from ritm_model.datasets.readers.outlines.recognised import layout_of
from ritm_model.datasets.readers.pack import MANIFEST, PackPhotograph, is_pack, pack
from ritm_model.errors import TrainingError
from ritm_model.learning.photographs import TrainingPhotograph, grouped
from ritm_model.learning.recipes import Recipe
from ritm_model.learning.recipes.schema import OWN, DataPart, SourcePart
from ritm_model.learning.scores import chances_of
from ritm_model.learning.sources import LearningData, TrainingSource, by_collection, divide

_logger = logging.getLogger(__name__)

Places = Mapping[str, Path | str | Collection]
"""Where data sets lie, by name, as in `ritm_model.datasets.Roots`; or their photographs themselves."""

FURTHER = re.compile(rf"{OWN}\d+")  # more folders that "own" stands for


def open_data(recipe: Recipe, where: Path | Collection | Places) -> LearningData:
    """Find the photographs of a recipe.

    Args:
        recipe: says which data sets.
        where: the folder of "own" or its photographs, or the same for each data set, by its name; "own2",
            "own3", … are more of "own".

    Raises:
        RitmError: something is not there, not what it should be, or nothing is left to learn from.
    """
    part = recipe.data
    places: Places = where if isinstance(where, Mapping) else {OWN: where}
    if part.folder and OWN not in places:
        places = {**places, OWN: part.folder}
    sources: list[TrainingSource] = []
    held_out: list[TrainingPhotograph] = []
    for asked in part.sources or (SourcePart(),):
        photographs: Sequence[TrainingPhotograph] = _photographs(part, asked, places)
        if not part.validation:
            photographs, validating = divide(photographs, part.validation_share)
            held_out += validating
        if not photographs:
            raise TrainingError(f"Nothing is left to learn from in {asked.data}: {_why(part)}.")
        sources += _sources(part, asked, photographs)
    for asked in part.validation:
        held_out += _photographs(part, asked, places)
    return LearningData(_with_replay(part, tuple(sources)), tuple(held_out))


def _photographs(part: DataPart, asked: SourcePart, places: Places) -> Sequence[TrainingPhotograph]:
    name, _, split = asked.data.partition(":")
    if name == OWN:
        if OWN not in places:
            raise TrainingError("Where are the photographs to learn from? Give their folder with --data.")
        if further := [place for other, place in places.items() if FURTHER.fullmatch(other)]:
            each = [_photographs(part, asked, {OWN: place}) for place in (places[OWN], *further)]
            return tuple(chain.from_iterable(each))
    given = places.get(name)
    if isinstance(given, Collection):
        return _of_collection(given, part, asked)
    roots: Roots = {key: place for key, place in places.items() if not isinstance(place, Collection)}
    if name == OWN:
        folder = Path(roots[OWN])
        if is_pack(folder):
            return _of_pack(folder, part)
        if is_coco_rle(folder):
            return _of_coco_rle(folder, split, part, asked)
        if str(roots[OWN]).partition(":")[0] not in DATASETS:
            raise TrainingError(_no_layout(folder))
    place = find_dataset(asked.data, roots)
    if missing := place.missing():
        names = ", ".join(map(str, missing))
        raise DatasetError(f"{asked.data} is incomplete: {names} is missing.")
    found = place.layout.read(place.root, place.split)
    return grouped(_whole(found, asked.data, part), _template(part, asked))


def _template(part: DataPart, asked: SourcePart) -> TrainingPhotograph:
    return TrainingPhotograph(
        "",
        (),
        source=asked.data,
        min_share=part.min_object_share,
        stuff_prob=asked.stuff_prob,
        skip_broken=part.broken_objects == "skip",
    )


def _of_collection(given: Collection, part: DataPart, asked: SourcePart) -> list[TrainingPhotograph]:
    """Of an object: its photographs say themselves where they come from, and under which licence."""
    licensed = [each for each in _whole(given, asked.data, part) if _is_licensed(each, part)]
    made = grouped(licensed, _template(part, asked))
    firsts = [photograph.variants[0].about for photograph in made]
    return [
        replace(photograph, source=about.source or asked.data, licence=about.license)
        for photograph, about in zip(made, firsts, strict=True)
    ]


_OTHER_LAYOUTS = "write LAYOUT:FOLDER with one that `ritm datasets` lists, such as labels:FOLDER"


def _no_layout(path: Path) -> str:
    """Why nothing is learnt from a path of the user, and what to do."""
    if not path.exists():
        return f"There is no data at {path}; {_OTHER_LAYOUTS}."
    if path.is_dir() and (layout := layout_of(path)):
        return f"{path} is of the layout {layout}: write {layout}:{path}."
    if path.is_dir():
        return f"{path} has neither {MANIFEST} nor {ANNOTATIONS}; of any other layout, {_OTHER_LAYOUTS}."
    return (
        f"{path} is a file: a data set is made of an export by `ritm dataset from-label-studio` or "
        "`ritm dataset from-cvat`; a file in COCO's format is given as COCO:FILE."
    )


def _of_pack(folder: Path, part: DataPart) -> list[TrainingPhotograph]:
    """Of a pack: a photograph that has several masks shows the objects of one of them."""
    made: list[TrainingPhotograph] = []
    for photograph in _whole(pack(folder, part.min_object_share), str(folder), part):
        assert isinstance(photograph, PackPhotograph)
        variants = tuple(replace(photograph, masks=(mask,)) for mask in photograph.masks if mask.classes)
        if variants and _is_licensed(photograph, part):
            made.append(
                TrainingPhotograph(
                    photograph.name,
                    variants,
                    photograph.about.source,
                    photograph.about.license,
                    sum(len(mask.classes) for mask in photograph.masks),
                    stuff_prob=None,
                    keeps_numbers=True,
                )
            )
    return made


def _of_coco_rle(folder: Path, split: str, part: DataPart, asked: SourcePart) -> list[TrainingPhotograph]:
    """Of the COCO-RLE layout: small objects are left out by the area that the file gives."""
    made: list[TrainingPhotograph] = []
    for whole in _whole(coco_rle(folder, split), str(folder), part):
        assert isinstance(whole, CocoPhotograph)
        photograph = whole.with_objects_of(part.min_object_share)
        if photograph.wholes and _is_licensed(photograph, part):
            made.append(
                TrainingPhotograph(
                    photograph.image.name,
                    (photograph,),
                    photograph.about.source,
                    photograph.about.license,
                    photograph.wholes,
                    stuff_prob=asked.stuff_prob,
                    skip_broken=part.broken_objects == "skip",
                )
            )
    return made


def _whole(collection: Collection, data: str, part: DataPart) -> Sequence[Photograph]:
    """The photographs, if nothing among them is broken or that does not matter."""
    broken = [problem for problem in collection.problems if not problem.by_rule]
    if broken and part.broken_objects == "stop":
        raise TrainingError(
            f"{data} is broken: {broken[0]} The recipe's broken_objects=skip leaves such parts out."
        )
    return collection.photographs


def _is_licensed(photograph: Photograph, part: DataPart) -> bool:
    """Whether its licence is one to learn from. What has no class of licence is the user's own."""
    kind = photograph.about.license_class
    return not kind or part.licence_classes is None or kind in part.licence_classes


def _sources(
    part: DataPart, asked: SourcePart, photographs: Sequence[TrainingPhotograph]
) -> list[TrainingSource]:
    """Usually one; a pack whose collections have weights gives one for each."""
    weight = len(photographs) if asked.share is None else asked.share
    if asked.scores:
        chances = chances_of(Path(asked.scores), asked.scores_gamma, photographs)
        return [TrainingSource(asked.data, tuple(photographs), weight, chances)]
    if asked.scores_gamma != 1:  # only who means scores gives it
        _logger.warning(
            "The photographs of %s are drawn equally often: the recipe has a scores_gamma of %g, but "
            "names no file of scores (data.sources).",
            asked.data,
            asked.scores_gamma,
        )
    found = by_collection(photographs, part.source_weights if asked.data.startswith(OWN) else {})
    total = sum(source.weight for source in found)
    return [
        replace(source, name=source.name or asked.data, weight=weight * source.weight / total)
        for source in found
    ]


def _with_replay(part: DataPart, sources: tuple[TrainingSource, ...]) -> tuple[TrainingSource, ...]:
    """Mix older data in, so that it has its share of all."""
    if not part.replay.folder:
        return sources
    plain = part.model_copy(update={"licence_classes": None})
    older = _photographs(plain, SourcePart(), {OWN: part.replay.folder})
    if not older:
        raise TrainingError(f"There is nothing to replay in {part.replay.folder}.")
    total = sum(source.weight for source in sources)
    learning, _ = divide(older, part.validation_share)  # what was held out stays so
    weight = total * part.replay.share / (1 - part.replay.share)
    return (*sources, TrainingSource("replay", learning or tuple(older), weight))


def _why(part: DataPart) -> str:
    return "check the licence classes of the recipe" if part.licence_classes is not None else "it is empty"
