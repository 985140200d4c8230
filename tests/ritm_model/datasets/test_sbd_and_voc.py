"""SBD's MATLAB files and Pascal VOC's palettes."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from ritm_model.datasets import BrokenFileError, DatasetError, open_dataset

# The grey values that OpenCV gives to the palette of Pascal VOC: (128, 0, 0) is 38 and so on.
PALETTE = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)]
GREYS = [0, 38, 75, 113]


def write_mat(painter, name, labels, classes=()):
    annotation = np.empty((1, 1), [("Segmentation", object), ("Boundaries", object), ("Categories", object)])
    annotation[0, 0] = (labels, np.zeros((2, 2)), np.array(classes, np.uint8).reshape(-1, 1))
    savemat(painter.path(f"inst/{name}.mat"), {"GTinst": annotation}, do_compression=True)


@pytest.fixture
def sbd(painter, empty):
    """Two images: one with a square and a mere outline, one with a square."""
    first = empty.copy()
    first[2:8, 2:8] = 1
    first[10, 10:38] = first[10:29, 10] = 2
    for name in ("2008_1", "2008_2"):
        painter.image(f"img/{name}.jpg")
    write_mat(painter, "2008_1", first, [15, 3])
    write_mat(painter, "2008_2", (first == 1).astype(np.uint8))
    for split in ("train", "val"):
        painter.text(f"{split}.txt", "2008_2\n2008_1\n")
    return painter


def test_every_object_of_sbd_is_a_sample(sbd):
    dataset = open_dataset("SBD", {"SBD": sbd.root})
    assert [sample.name for sample in dataset] == ["2008_2.jpg#1", "2008_1.jpg#1", "2008_1.jpg#2"]
    assert [sample.category for sample in dataset] == ["", "person", "bird"]
    assert [int(sample.mask.sum()) for sample in dataset] == [36, 36, 28 + 18]
    assert set(np.unique(dataset[1].mask)) == {0, 1}
    assert dataset.problems == ()


def test_training_leaves_outlines_out_and_says_so(sbd):
    labels = np.zeros((100, 120), np.uint8)
    labels[5, 5:115] = labels[5:95, 5] = 1  # 199 of 9,900 pixels of its box
    labels[50:60, 50:60] = 2
    sbd.image("img/2008_3.jpg", 120, 100)
    write_mat(sbd, "2008_3", labels)
    sbd.text("train.txt", "2008_3\n")
    dataset = open_dataset("SBD_Train", {"SBD_Train": sbd.root})
    assert [sample.name for sample in dataset] == ["2008_3.jpg#2"]
    (problem,) = dataset.problems
    assert problem.by_rule
    assert "Object 1 fills 2% of its box" in problem.reason


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b"MATLAB 5.0 MAT-file" + b"\0" * 200),
        lambda path: path.write_bytes(path.read_bytes()[:150]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"x" * 5_000_000),
        lambda path: savemat(path, {"other": np.eye(3)}),
        lambda path: savemat(path, {"GTinst": np.eye(3)}),
        lambda path: savemat(path, {"GTinst": {"Segmentation": "text"}}),
        lambda path: savemat(path, {"GTinst": {"Segmentation": np.full((30, 40), np.nan)}}),
        lambda path: savemat(path, {"GTinst": {"Segmentation": np.array([[{}, 1]], object)}}),
        lambda path: path.unlink(),
    ],
)
def test_a_broken_annotation_is_named_and_the_others_are_used(sbd, write):
    path = sbd.root / "inst/2008_2.mat"
    write(path)
    dataset = open_dataset("SBD", {"SBD": sbd.root})
    assert len(dataset) == 2
    (problem,) = dataset.problems
    assert (problem.file, problem.by_rule) == (str(path), False)
    assert problem.reason.endswith(".")


def test_random_damage_of_a_matlab_file_ends_in_a_sentence(sbd):
    path = sbd.root / "inst/2008_1.mat"
    whole = path.read_bytes()
    random = np.random.RandomState(0)
    sbd.text("val.txt", "2008_1\n2008_2\n")
    for _ in range(60):
        damaged = bytearray(whole)
        for place in random.randint(0, len(whole), 4):
            damaged[place] = random.randint(256)
        path.write_bytes(damaged)
        dataset = open_dataset("SBD", {"SBD": sbd.root})
        assert all(problem.file == str(path) for problem in dataset.problems)


def test_without_scipy_there_is_a_clear_error(sbd, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(DatasetError, match=r"pip install 'ritm\[benchmarks\]'"):
        open_dataset("SBD", {"SBD": sbd.root})


def test_a_name_that_leads_out_of_the_folder_is_refused(sbd):
    sbd.text("val.txt", "../secret\n2008_1\n")
    dataset = open_dataset("SBD", {"SBD": sbd.root})
    assert len(dataset) == 2
    assert ["cannot be in this folder" in problem.reason for problem in dataset.problems] == [True]


@pytest.fixture
def voc(painter):
    """Two images with palette masks; the pale outline is ignored."""
    for name, numbers in (("2007_1", (1, 2)), ("2007_2", (3,))):
        painter.image(f"JPEGImages/{name}.jpg")
        mask = Image.new("P", (40, 30))
        flat = [value for colour in PALETTE for value in colour]
        mask.putpalette(flat + [0] * (765 - len(flat)) + [224, 224, 192])
        for number in numbers:
            mask.paste(255, (10 * number - 1, 1, 10 * number + 6, 9))
            mask.paste(number, (10 * number, 2, 10 * number + 5, 8))
        mask.save(painter.path(f"SegmentationObject/{name}.png"))
    painter.text("ImageSets/Segmentation/val.txt", "2007_2\n2007_1\n")
    return painter


def test_all_objects_of_a_split_of_voc(voc):
    dataset = open_dataset("PascalVOC:val", {"PascalVOC": voc.root})
    assert dataset.name == "PascalVOC:val"
    assert [sample.name for sample in dataset] == [
        f"2007_2.jpg#{GREYS[3]}",
        f"2007_1.jpg#{GREYS[1]}",
        f"2007_1.jpg#{GREYS[2]}",
    ]
    mask = dataset[1].mask
    assert (mask[2:8, 10:15] == 1).all()
    assert (mask == 1).sum() == 30
    assert (mask == -1).sum() == 2 * (7 * 8 - 30)  # the outlines of both objects
    assert mask[2, 20] == 0


@pytest.mark.parametrize("as_arrays", [False, True])
def test_the_objects_that_the_papers_list_names(voc, as_arrays):
    chosen = (["2007_1", "2007_2", "2007_1"], [GREYS[2], GREYS[3], GREYS[1]])
    if as_arrays:
        chosen = tuple(np.array(values) for values in chosen)
    voc.pickle("ImageSets/Segmentation/test.pickle", chosen)
    dataset = open_dataset("PascalVOC", {"PascalVOC": voc.root})
    assert [sample.name for sample in dataset] == ["2007_1.jpg#75", "2007_2.jpg#113", "2007_1.jpg#38"]
    assert (dataset[0].mask[2:8, 20:25] == 1).all()


def test_objects_that_are_not_there_or_there_twice_are_reported(voc):
    names = ["2007_1", "2007_1", "2007_1", "gone"]
    voc.pickle("ImageSets/Segmentation/test.pickle", (names, [38, 38, 99, 38]))
    dataset = open_dataset("PascalVOC", {"PascalVOC": voc.root})
    assert len(dataset) == 1
    assert [(Path(problem.file).name, problem.reason) for problem in dataset.problems] == [
        ("2007_1.png", "The mask of object 99 has no object."),
        ("2007_1.png", "2007_1.jpg#38 is there twice; the first counts."),
        ("gone.jpg", "The file is missing."),
    ]


@pytest.mark.parametrize("value", [None, 5, (1, 2, 3), (["a"], [1, 2]), (["a"], ["x"]), ("ab", [1, 2])])
def test_a_list_of_objects_that_is_none(voc, value):
    voc.pickle("ImageSets/Segmentation/test.pickle", value)
    with pytest.raises(BrokenFileError, match=r"test\.pickle: The pickle does not hold names"):
        open_dataset("PascalVOC", {"PascalVOC": voc.root})


def test_without_the_papers_list_another_split_is_named(voc):
    with pytest.raises(DatasetError, match=r"test\.pickle is missing.*PascalVOC:val needs none"):
        open_dataset("PascalVOC", {"PascalVOC": voc.root})
