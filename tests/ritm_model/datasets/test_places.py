"""Names, places, splits and configuration files of data sets."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from ritm_model.datasets import (
    DATASETS,
    BrokenFileError,
    DatasetError,
    find_dataset,
    open_dataset,
    parse_roots,
    read_roots,
)

# As the paper's code has it, keys that concern other things included.
CONFIG = """
INTERACTIVE_MODELS_PATH: "./weights"
EXPS_PATH: "./experiments"

# Evaluation datasets
GRABCUT_PATH: "./datasets/GrabCut"
SBD_PATH: "/data/SBD"

COCO_PATH: "./datasets/COCO"
LVIS_PATH: "./datasets/LVIS"
LVIS_v1_PATH: "./datasets/LVIS_v1"
IMAGENET_PRETRAINED_MODELS:
  HRNETV2_W18: "./hrnet.pth"

cells: labels:cells
"""


@pytest.fixture
def davis(painter, empty):
    for name in ("a", "b"):
        painter.image(f"img/{name}.jpg")
        painter.array(f"gt/{name}.png", empty + 1)
    return painter


def test_every_layout_describes_itself():
    for name, layout in DATASETS.items():
        assert layout.about, name
        assert layout.files(layout.split), name
        assert bool(layout.source) == bool(layout.config_keys), name
        assert "{" not in "".join(layout.files("val")), name


def test_a_data_set_can_be_sent_to_another_process(davis):
    dataset = open_dataset("DAVIS", {"DAVIS": davis.root})
    again = pickle.loads(pickle.dumps(dataset))
    assert (again.name, len(again)) == ("DAVIS", 2)
    for ours, theirs in zip(dataset, again, strict=True):
        assert ours.name == theirs.name
        assert np.array_equal(ours.mask, theirs.mask)
        assert np.array_equal(ours.load_image(), theirs.load_image())


def test_progress_is_told(davis):
    told = []
    open_dataset("DAVIS", {"DAVIS": davis.root}, lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_a_file_that_breaks_later_is_named(davis):
    dataset = open_dataset("DAVIS", {"DAVIS": davis.root})
    (davis.root / "gt/b.png").unlink()
    with pytest.raises(BrokenFileError, match=r"b\.png: Object 1 is gone"):
        dataset[1]
    (davis.root / "img/a.jpg").write_bytes(b"")
    with pytest.raises(BrokenFileError, match=r"a\.jpg: The image file is empty"):
        dataset[0].load_image()
    with pytest.raises(IndexError):
        dataset[2]


def test_errors_survive_the_way_between_processes():
    error = pickle.loads(pickle.dumps(BrokenFileError("a.png", "It is odd.")))
    assert (str(error), error.problem.file) == ("a.png: It is odd.", "a.png")


def test_a_known_layout_under_a_name_of_ones_own(davis):
    dataset = open_dataset("films", {"films": f"DAVIS:{davis.root}"})
    assert (dataset.name, len(dataset)) == ("films", 2)


@pytest.mark.parametrize(
    ("name", "roots", "sentence"),
    [
        ("Graabcut", {}, "There is no data set 'Graabcut'; known ones are GrabCut, Berkeley, .*, labels."),
        ("cells", {"films": "DAVIS:x"}, "no data set 'cells'; .*, films"),
        ("cells", {"cells": "x"}, "layout of 'cells' is not known; .*cells=labels:x"),
        ("GrabCut", {}, "Where is GrabCut\\? Give its folder as GrabCut=PATH. It comes from GrabCut.zip"),
        ("labels", {}, "Where is labels\\? Give its folder as labels=PATH.$"),
        ("DAVIS:val", {"DAVIS": "x"}, "DAVIS has no splits, so there is no 'val'"),
        ("SBD:../val", {"SBD": "x"}, "'../val' is no name of a split"),
        ("DAVIS", {"DAVIS": "nowhere/davis"}, "DAVIS is incomplete: nowhere/davis is missing"),
    ],
)
def test_what_cannot_be_opened_says_why(name, roots, sentence):
    with pytest.raises(DatasetError, match=sentence):
        open_dataset(name, roots)


def test_missing_parts_are_named(painter):
    painter.path("inst/x").parent.mkdir(exist_ok=True)
    place = find_dataset("SBD", {"SBD": painter.root})
    assert place.missing() == [painter.root / "val.txt", painter.root / "img"]
    with pytest.raises(DatasetError, match=r"SBD is incomplete: .*val\.txt, .*img is missing"):
        open_dataset("SBD", {"SBD": painter.root})


def test_a_file_where_a_folder_should_be(painter):
    path = painter.text("davis", "x")
    with pytest.raises(DatasetError, match="cannot be read"):
        open_dataset("DAVIS", {"DAVIS": path})


def test_the_papers_configuration_file(painter):
    path = painter.text("config.yml", CONFIG)
    here = painter.root
    assert read_roots(path) == {
        "GrabCut": str(here / "datasets/GrabCut"),
        "SBD": "/data/SBD",
        "SBD_Train": "/data/SBD",
        "COCO": str(here / "datasets/COCO"),
        "COCO_Panoptic": str(here / "datasets/COCO"),
        "LVIS": str(here / "datasets/LVIS"),
        "COCO_LVIS": str(here / "datasets/LVIS_v1"),
        "cells": f"labels:{here / 'cells'}",
    }
    turned = "\n".join(reversed(CONFIG.split("IMAGENET")[0].splitlines()))
    assert read_roots(painter.text("b.yml", turned))["COCO_LVIS"] == str(here / "datasets/LVIS_v1")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "not YAML"),
        ("- a", "NAME: PATH"),
        ("", "NAME: PATH"),
        ("DAVIS: 5", "value of 'DAVIS'"),
        ("DAVIS:", "value of 'DAVIS'"),
        ("a: !!python/object/apply:os.system [ls]", "not YAML"),
    ],
)
def test_a_bad_configuration_file_is_named(painter, text, sentence):
    path = painter.text("config.yml", text)
    with pytest.raises(DatasetError, match=f"config.yml: .*{sentence}"):
        read_roots(path)
    with pytest.raises(DatasetError, match=r"none\.yml: The file is missing"):
        read_roots(Path("none.yml"))


def test_options_say_where_data_sets_lie():
    assert parse_roots(["DAVIS=a=b", "cells=labels:c"]) == {"DAVIS": "a=b", "cells": "labels:c"}
    for option in ("DAVIS", "=x", "DAVIS="):
        with pytest.raises(DatasetError, match="write NAME=PATH"):
            parse_roots([option])


def test_the_home_folder_is_found(monkeypatch, davis):
    monkeypatch.setenv("HOME", str(davis.root.parent))
    assert len(open_dataset("DAVIS", {"DAVIS": "~/data"})) == 2
