"""`ritm predict`, as it is typed."""

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

SAMPLES = Path(__file__).parents[1] / "samples"
BEAR = SAMPLES / "images/bear.jpg"  # 440 wide, 480 high


@pytest.fixture
def ritm(run_ritm):
    """Run `ritm predict …`."""
    return partial(run_ritm, "predict")


# pycocotools' decoder speaks to NumPy 2 in the manner of NumPy 1.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_click_becomes_every_kind_of_file(ritm, tmp_path):
    names = ["mask.png", "seen.jpg", "mask.rle", "answer.json"]
    outputs = [argument for name in names for argument in ("--output", tmp_path / name)]
    status, out, err = ritm(BEAR, "--click", "213,285", "--click", "-335,64", *outputs, "--json")
    assert (status, err) == (0, "")
    answer = json.loads(out)
    assert answer == json.loads((tmp_path / "answer.json").read_text())
    assert answer["clicks"] == [
        {"x": 213, "y": 285, "is_positive": True},
        {"x": 335, "y": 64, "is_positive": False},
    ]
    assert (answer["width"], answer["height"]) == (440, 480)
    assert 0 < answer["score"] <= 1

    mask = cv2.imread(str(tmp_path / "mask.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (480, 440)
    assert set(np.unique(mask)) == {0, 255}
    assert mask[285, 213] == 255
    assert mask[64, 335] == 0
    assert answer["area"] == (mask > 0).sum()
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    left, top, width, height = answer["bbox_xywh"]
    assert (left, left + width - 1, top, top + height - 1) == (*columns[[0, -1]], *rows[[0, -1]])

    rle = json.loads((tmp_path / "mask.rle").read_text())
    np.testing.assert_array_equal(coco_mask.decode(rle), mask > 0)
    assert rle == answer["rle"]

    overlay, photo = cv2.imread(str(tmp_path / "seen.jpg")), cv2.imread(str(BEAR))
    difference = np.abs(overlay.astype(int) - photo).sum(axis=2)
    assert difference[mask > 0].mean() > 50
    far = cv2.dilate((mask > 0).astype(np.uint8), np.ones((25, 25))) == 0
    far[50:80, 320:350] = False  # the red dot
    assert difference[far].mean() < 10
    assert overlay[64, 330, 2] > overlay[64, 330, 1] + 80


def test_formats_replace_suffixes(ritm, tmp_path):
    outputs = ("--output", tmp_path / "a.png", "--output", tmp_path / "b", "--output", tmp_path / "c.txt")
    formats = ("--format", "overlay", "--format", "mask", "--format", "rle")
    status, out, err = ritm(BEAR, "--click", "213,285", *outputs, *formats)
    assert (status, err) == (0, "")
    assert "score" in out
    assert str(tmp_path / "a.png") in out
    assert cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED).shape == (480, 440, 3)
    assert cv2.imread(str(tmp_path / "b"), cv2.IMREAD_UNCHANGED).shape == (480, 440)
    assert json.loads((tmp_path / "c.txt").read_text())["size"] == [480, 440]


def answer_of(ritm, *arguments):
    status, out, err = ritm(BEAR, *arguments, "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


def test_a_box_without_a_positive_click_gets_one_in_its_middle(ritm):
    box = ("--box", "100,150,330,420")
    assert answer_of(ritm, *box)["clicks"] == [{"x": 215, "y": 285, "is_positive": True}]
    clicked = answer_of(ritm, *box, "--click", "-10,10")["clicks"]
    assert [click["is_positive"] for click in clicked] == [True, False]
    assert answer_of(ritm, *box, "--click", "200,300")["clicks"] == [
        {"x": 200, "y": 300, "is_positive": True}
    ]


def test_a_mask_is_refined_and_differs_from_a_fresh_start(ritm, tmp_path):
    mask = np.zeros((480, 440), np.uint8)
    mask[200:400, 100:300] = 1  # any value but black
    cv2.imwrite(str(tmp_path / "start.png"), mask)
    refined = answer_of(ritm, "--click", "213,285", "--mask", tmp_path / "start.png")
    assert refined["rle"] != answer_of(ritm, "--click", "213,285")["rle"]


def test_profile_flip_and_threshold_reach_the_predictor(ritm):
    plain = answer_of(ritm, "--click", "213,285")
    mirrored, alone = (
        answer_of(ritm, "--click", "213,285", option)["rle"] for option in ("--flip", "--no-flip")
    )
    assert mirrored != alone
    assert plain["rle"] in (mirrored, alone)
    assert answer_of(ritm, "--click", "213,285", "--profile", "paper")["rle"] != plain["rle"]
    assert answer_of(ritm, "--click", "213,285", "--threshold", "0.9")["area"] < plain["area"]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["gone.jpg", "--click", "1,1"], 1, "Error: gone.jpg cannot be read: No such file or directory."),
        ([SAMPLES / "manifest.json", "--click", "1,1"], 1, "manifest.json"),
        ([BEAR, "--click", "440,10"], 1, "The click 440,10 lies outside the 440 x 480 image."),
        ([BEAR, "--click", "10,480.5"], 1, "The click 10,480.5 lies outside the 440 x 480 image."),
        ([BEAR, "--click", "1,1", "--mask", SAMPLES / "masks/bus.png"], 1, "The mask is 640 x 427"),
        ([BEAR, "--click", "1,1", "--model", "nobody.pth"], 1, "There is no model file nobody.pth."),
        ([BEAR, "--click", "1,1", "--device", "abacus"], 1, "'abacus' is not a device"),
        ([BEAR, "--box", "900,900,990,990"], 1, "lies outside the 440 x 480 image."),
        ([BEAR, "--click", "1,1", "--output", "/nowhere/mask.png"], 1, "/nowhere/mask.png cannot be written"),
        ([BEAR], 2, "Give at least one --click or a --box."),
        ([BEAR, "--click", "1"], 2, "'1' is not a click"),
        ([BEAR, "--click", "1,nan"], 2, "'1,nan' is not a click"),
        ([BEAR, "--click", "--json"], 2, "'--json' is not a click"),
        ([BEAR, "--box", "5,5,5,9"], 2, "'5,5,5,9' is not a box"),
        ([BEAR, "--click", "1,1", "--output", "mask.xyz"], 2, "cannot be told from its suffix"),
        (
            [BEAR, "--click", "1,1", "--output", "a.png", "--format", "rle", "--format", "rle"],
            2,
            "one --format",
        ),
    ],
)
def test_mistakes_get_a_sentence(ritm, arguments, status, sentence):
    code, out, err = ritm(*arguments)
    assert code == status
    assert sentence in err
    assert out == ""
    assert "Traceback" not in err
