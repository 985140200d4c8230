"""From boxes and predictions to what the service is asked; labels are the project's or nothing."""

from __future__ import annotations

import pytest

from ritm_backend.label_studio.config import LabelingConfig, parse_config
from ritm_backend.label_studio.prompts import objects_of_task
from ritm_backend.label_studio.regions import Json
from ritm_backend.preannotate.asking import Asked, FromDetections, FromPredictions, Labels
from ritm_backend.preannotate.detections import Detection, Detections
from ritm_backend.preannotate.tasks import Task

CONFIG = parse_config("""
<View>
  <Image name="image" value="$image"/><Image name="pages" valueList="$pages"/>
  <RectangleLabels name="seen" toName="image"><Label value="Cow"/><Label value="cat"/></RectangleLabels>
  <RectangleLabels name="smart" toName="image" smart="true"><Label value="Cow"/></RectangleLabels>
  <BrushLabels name="brush" toName="image,pages"><Label value="Cow"/><Label value="Cat"/></BrushLabels>
</View>
""")
NAMELESS = parse_config('<View><Image name="image" value="$image"/><Brush name="b" toName="image"/></View>')


def task(**data: object) -> Task:
    return Task(1, data, is_annotated=False, has_predictions=True, versions=frozenset())


def detection(label: str | None = "Cow", image: str = "1.png", **more: object) -> Detection:
    size = (200, 100) if more.get("sized") else None
    return Detection(image, size, label, (20, 10, 40, 50), 0.5)


def asked(*boxes: Detection, config: LabelingConfig = CONFIG, **data: object) -> tuple[list[Asked], Json]:
    given = {"Kuh": "Cow", "Pferd": "Horse"}
    source = FromDetections(Detections(boxes, {}), [task(**data)], config, Labels(config, given), 0.25)
    return list(source.asked(task(**data), ())), source.left_out


@pytest.mark.parametrize(
    ("name", "label"), [("Cow", "Cow"), ("COW", "Cow"), ("cat", "cat"), ("Kuh", "Cow"), (None, None)]
)
def test_labels_are_those_of_the_project(name: str | None, label: str | None) -> None:
    ((one,), left_out) = asked(detection(name), image="1.png")
    value = one.result(100, 100)["value"]
    assert isinstance(value, dict)
    assert value.get("rectanglelabels") == (None if label is None else [label])
    assert not left_out


def test_other_names_are_left_out_and_counted() -> None:
    (found, left_out) = asked(*map(detection, ("Cows", "CAT", "Pferd", "Pferd")), image="1.png")
    assert found == []  # "CAT" may be either of two
    assert left_out == {
        "The project has no label 'Cows' (did you mean 'Cow'?).": 1,
        "The project has no label 'CAT'.": 1,
        "The project has no label 'Horse'.": 2,
    }


def test_boxes_on_several_pictures_of_a_task_are_several_objects() -> None:
    pages = parse_config("""<View><Image name="image" value="$image"/><Image name="list" valueList="$list"/>
      <Brush name="b" toName="image,list"/>
      <Repeater on="$pages"><Image name="page_{{idx}}" value="$pages[{{idx}}]"/>
      <Brush name="brush_{{idx}}" toName="page_{{idx}}"/></Repeater></View>""")
    names = ["1.png", "2.png", "3.png", "4.png", "5.png"]
    boxes = [detection(image=name) for name in names]
    (found, left_out) = asked(*boxes, config=pages, image="1.png", list=names[1:3], pages=names[3:])
    assert not left_out
    standing = {"predictions": [{"result": [each.result(100, 100) for each in found]}]}
    objects, _ = objects_of_task(standing, pages)
    assert [(each.frame.to_name, each.frame.item_index) for each in objects] == [
        *(("image", None), ("list", 0), ("list", 1)),
        *(("page_0", None), ("page_1", None)),
    ]


def test_without_labels_any_name_will_do() -> None:
    assert len(asked(detection("zebra"), config=NAMELESS, image="1.png")[0]) == 1


def test_places_are_in_percent_of_the_picture() -> None:
    ((one, other), _) = asked(detection(), detection(sized=True), image="1.png")
    assert one.result(400, 100)["value"] == {"x": 5, "y": 10, "width": 10, "height": 50, **_cow()}
    assert other.result(400, 200)["value"] == {"x": 10, "y": 10, "width": 20, "height": 50, **_cow()}
    assert (other.result(400, 200)["original_width"], one.result(400, 100)["original_width"]) == (200, 400)


def _cow() -> dict[str, list[str]]:
    return {"rectanglelabels": ["Cow"]}


def test_a_picture_of_several_keeps_its_number() -> None:
    ((one,), _) = asked(detection(image="b.png"), pages=["a.png", "b.png"])
    assert (one.to_name, one.item_index, one.result(9, 9)["item_index"]) == ("pages", 1, 1)


def test_low_scores_are_left_out() -> None:
    low = Detection("1.png", None, "Cow", (1, 1, 1, 1), 0.2)
    none = Detection("1.png", None, "Cow", (1, 1, 1, 1), None)
    found, left_out = asked(low, none, image="1.png")
    assert [each.detection for each in found] == [none]
    assert left_out == {"The score is below 0.25.": 1}


def test_every_box_is_an_object_for_the_service() -> None:
    (found, _) = asked(*[detection()] * 3, detection("Cat"), image="1.png")
    results = [each.result(100, 100) for each in found]
    objects, notes = objects_of_task({"predictions": [{"result": results}]}, CONFIG)
    assert [each.label for each in objects] == ["Cow", "Cow", "Cow", "Cat"]
    assert notes == []


def test_predictions_of_the_version_alone() -> None:
    def result(kind: str, **more: object) -> dict[str, object]:
        value = {"x": 1, "y": 1, "width": 5, "height": 5, kind: ["Cow"]}
        return {"id": kind, "type": kind, "from_name": "seen", "to_name": "image", "value": value, **more}

    source = FromPredictions("yolo", Labels(CONFIG, {}), 0.5)
    predictions: list[Json] = [
        {"model_version": "other", "result": [result("rectanglelabels")]},
        {
            "model_version": "yolo",
            "score": 0.4,
            "result": [
                result("rectanglelabels", score=0.9),
                result("keypointlabels"),
                result("polygonlabels", score=0.9),
                "nonsense",
            ],
        },
        {"model_version": "yolo", "result": None},
    ]
    (one,) = source.asked(task(), predictions)
    assert one.result(1, 1)["type"] == "rectanglelabels"
    assert source.left_out == {"The score is below 0.5.": 1}
    objects, _ = objects_of_task({"predictions": [{"result": [one.result(1, 1)]}]}, CONFIG)
    assert len(objects) == 1  # although its control is a plain tool beside a smart one
