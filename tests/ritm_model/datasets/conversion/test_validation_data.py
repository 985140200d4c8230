"""The validation split of a recipe becomes a data set that `ritm evaluate` reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ritm_model.datasets import open_dataset
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.recipes import load_recipe
from ritm_model.learning.validation import questions

SAMPLES = Path(__file__).parents[3] / "samples"
CHANGES = (
    "data.licence_classes=null",
    "data.source_weights={}",
    "data.validation_share=0.4",
    "validation.objects=4",
)


def words(*changes: str) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


def test_the_objects_are_those_of_the_validation(converted):
    written = converted("validation", "starter", "--data", SAMPLES, *words(*CHANGES))
    recipe = load_recipe("starter", CHANGES)
    data = open_data(recipe, SAMPLES)
    asked = {
        (question.photograph.name, question.scene().mask(question.instance).tobytes())
        for question in questions(data.held_out, 4)
    }
    opened = open_dataset("split", {"split": f"coco_rle:{written.folder}"})
    samples = [opened[index] for index in range(len(opened))]
    assert len(asked) == len(samples) == 4
    assert {(sample.photograph.name, (sample.mask == 1).tobytes()) for sample in samples} == asked
    learnt = {photograph.name for source in data.sources for photograph in source.photographs}
    assert learnt
    assert not learnt & {sample.photograph.name for sample in samples}
    assert all((written.folder / "images" / name).read_bytes() for name, _ in asked)
    assert all(image["license"] for image in written.content["images"])


def test_pixels_that_nobody_knows_do_not_count(converted, painter, empty):
    labels = empty.copy()
    labels[2:12, 2:12], labels[20:, :] = 1, 255
    painter.image("images/a.jpg")
    painter.array("masks/a.png", labels)
    painter.image("images/b.jpg")
    painter.array("masks/b.png", labels)
    thing = {"id": 1, "area": 0.1}
    samples = [{"image": f"images/{n}.jpg", "mask": f"masks/{n}.png", "objects": [thing]} for n in "ab"]
    painter.json("manifest.json", {"samples": samples})
    changes = (*CHANGES[:2], "data.validation_share=0.4")  # by their names, one of the two
    written = converted("validation", "starter", "--data", painter.root, *words(*changes))
    opened = open_dataset("split", {"split": f"coco_rle:{written.folder}"})
    assert len(opened) == 1
    expected = np.where(labels == 255, -1, labels.astype(np.int8))
    assert np.array_equal(opened[0].mask, expected)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (("data.validation_share=0",), "The recipe starter has no validation split."),
        (("data.validation_share=1",), "Nothing is left to learn from in own"),
    ],
)
def test_a_recipe_without_such_objects_is_told(ritm, out, changes, sentence):
    status, _, complaint = ritm(
        "validation", "starter", "--data", SAMPLES, out, *words(*CHANGES[:2], *changes)
    )
    assert status == 1
    assert sentence in complaint
    assert not out.exists()
