"""What there is to go by in each task: boxes of a file, or regions of predictions that stand there already.

Both become results such as Label Studio has them, of no control: what asks for a region explicitly is never a
plain tool beside the smart ones.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ritm_backend.label_studio.config import LabelingConfig
from ritm_backend.label_studio.outputs import outputs_of
from ritm_backend.label_studio.regions import Json, number
from ritm_backend.preannotate.detections import Detection, Detections
from ritm_backend.preannotate.places import Matching, Place, places_of
from ritm_backend.preannotate.tasks import Task
from ritm_model.errors import shown, suggestion

_KINDS = ("keypointlabels", "keypoint", "rectanglelabels", "rectangle", "labels")


@dataclass(frozen=True, slots=True)
class Asked:
    """Something that asks for a region.

    Attributes:
        to_name: the `Image` tag it is on.
        item_index: which of the tag's pictures, or None.
        region: as Label Studio has it; of a detection, without its place.
        detection: the box that it is.
    """

    to_name: str
    item_index: int | None
    region: Json = field(repr=False)
    detection: Detection | None = None

    def result(self, width: int, height: int) -> Json:
        """As Label Studio has it, for a picture of so many pixels."""
        if self.detection is None:
            return self.region
        columns, rows = self.detection.size or (width, height)
        left, top, wide, high = self.detection.box
        place = {
            "x": left / columns * 100,
            "y": top / rows * 100,
            "width": wide / columns * 100,
            "height": high / rows * 100,
        }
        names = self.region["value"]
        assert isinstance(names, dict)
        return {
            **self.region,
            "original_width": columns,
            "original_height": rows,
            "value": names | place,
        }


class Source(Protocol):
    """Where it is looked up what there is to go by.

    Attributes:
        left_out: how much of it was left out, by sentences that say why; grows while tasks are asked for.
    """

    left_out: Counter[str]

    def asked(self, task: Task, predictions: Sequence[Json], /) -> Sequence[Asked]:
        """What there is in a task, with all predictions that stand in it."""


class Labels:
    """Labels of the project by the names that a detector has for them.

    Args:
        config: of the project.
        given: labels by a detector's names, where they differ by more than case.
    """

    def __init__(self, config: LabelingConfig, given: Mapping[str, str]) -> None:
        self._config = config
        self._given = given

    def of(self, name: str, to_name: str) -> str | None:
        """The label for a name on an image; None if the image has none such."""
        wanted = self._given.get(name, name)
        outputs = list(outputs_of(self._config, to_name, wanted))
        if any(each.labels is None or each.labels.accepts(wanted) for each in outputs):
            return wanted
        alike = {label for label in self._known(to_name) if label.casefold() == wanted.casefold()}
        return alike.pop() if len(alike) == 1 else None

    def missing(self, name: str, to_name: str) -> str:
        """A sentence for a name that has no label."""
        wanted = self._given.get(name, name)
        return f"The project has no label '{shown(wanted)}'{suggestion(wanted, self._known(to_name))}."

    def _known(self, to_name: str) -> list[str]:
        controls = [each.labels for each in outputs_of(self._config, to_name, None)]
        return [label for control in controls if control is not None for label in control.labels or ()]


class FromDetections:
    """Boxes of a file, each for the pictures that its image is."""

    def __init__(
        self,
        detections: Detections,
        tasks: Iterable[Task],
        config: LabelingConfig,
        labels: Labels,
        min_score: float,
    ) -> None:
        self.left_out = Counter(detections.left_out)
        self._of_task: defaultdict[int, list[Asked]] = defaultdict(list)
        boxes = [each for each in detections.boxes if each.score is None or each.score >= min_score]
        if len(boxes) < len(detections.boxes):
            self.left_out[_below(min_score)] = len(detections.boxes) - len(boxes)
        places = [place for task in tasks for place in places_of(task.id, task.data, config.images)]
        matching = Matching((each.image for each in boxes), places)
        for box in boxes:
            if box.image in matching.problems:
                self.left_out[matching.problems[box.image]] += 1
                continue
            for place in matching.places[box.image]:
                label = None if box.label is None else labels.of(box.label, place.to_name)
                if box.label is not None and label is None:
                    self.left_out[labels.missing(box.label, place.to_name)] += 1
                    continue
                of_task = self._of_task[place.task]
                region = _region(f"box-{len(of_task) + 1}", label, place)
                of_task.append(Asked(place.to_name, place.item_index, region, box))

    def asked(self, task: Task, _: Sequence[Json], /) -> Sequence[Asked]:
        return self._of_task.get(task.id, ())


class FromPredictions:
    """Points and boxes of the predictions of a version."""

    def __init__(self, version: str, labels: Labels, min_score: float) -> None:
        self.left_out: Counter[str] = Counter()
        self._version = version
        self._labels = labels
        self._min_score = min_score

    def asked(self, _: Task, predictions: Sequence[Json], /) -> Sequence[Asked]:
        found: list[Asked] = []
        for prediction in predictions:
            if prediction.get("model_version") == self._version:
                results = prediction.get("result")
                found += self._regions(prediction, results if isinstance(results, list) else [])
        return found

    def _regions(self, prediction: Json, results: Iterable[object]) -> Iterable[Asked]:
        for result in results:
            if not isinstance(result, dict) or result.get("type") not in _KINDS:
                continue
            score = number(result.get("score"))
            score = number(prediction.get("score")) if score is None else score
            if score is not None and score < self._min_score:
                self.left_out[_below(self._min_score)] += 1
                continue
            named = self._named(result)
            if isinstance(named, str):
                self.left_out[named] += 1
            else:
                index = named.get("item_index")
                yield Asked(
                    str(named.get("to_name") or ""),
                    index if isinstance(index, int) else None,
                    {**named, "from_name": ""},
                )

    def _named(self, result: Json) -> Json | str:
        """A result with the project's label, or why it has none."""
        value, kind = result.get("value"), str(result["type"])
        names = value.get(kind) if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(names, list) or not names:
            return result
        name, to_name = str(names[0]), str(result.get("to_name") or "")
        label = self._labels.of(name, to_name)
        if label is None:
            return self._labels.missing(name, to_name)
        return {**result, "value": {**value, kind: [label]}}


def _region(id: str, label: str | None, place: Place) -> Json:
    """What Label Studio has of a box beside its place."""
    region: dict[str, object] = {
        "id": id,
        "type": "rectanglelabels",
        "to_name": place.to_name,
        "value": {} if label is None else {"rectanglelabels": [label]},
    }
    return region if place.item_index is None else region | {"item_index": place.item_index}


def _below(min_score: float) -> str:
    return f"The score is below {min_score:g}."
