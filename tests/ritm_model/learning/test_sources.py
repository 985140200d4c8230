"""Every kind of data set can be learnt from: alone, mixed, by scores, and with older data replayed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco
from scipy.io import savemat

from ritm_model.cli.train import data_roots
from ritm_model.datasets import DatasetError
from ritm_model.errors import RitmError, TrainingError
from ritm_model.learning.data import make_samples
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.recipes import Recipe, load_recipe
from ritm_model.learning.scene import Scene
from ritm_model.learning.sources import LearningData, draw
from ritm_model.learning.step.step import Batch

NAMES = ("000000000001", "000000000002", "000000000003")


def recipe_of(sources: str, *overrides: str) -> Recipe:
    plain = ("data.sources=" + sources, "data.licence_classes=null", "data.source_weights={}")
    return load_recipe("starter", [*plain, "data.validation_share=0", "data.min_object_share=0", *overrides])


def scenes(data: LearningData, count: int = 60) -> list[Scene]:
    made = []
    for seed in range(count):
        random = np.random.default_rng(seed)
        made.append(draw(data.sources, random).scene(random))
    return made


def png(layer: np.ndarray) -> np.ndarray:
    return cv2.imencode(".png", layer)[1]


@pytest.fixture
def combined(painter, empty):
    """COCO and LVIS: a whole with its part, another object, and stuff."""
    first, second = empty.copy(), empty.copy()
    first[2:12, 2:12], first[20:25] = 1, 2
    second[4:6, 4:6], second[10:18, 20:30] = 1, 7
    whole = {"children": [1], "parent": None, "node_level": 0}
    part = {"children": [], "parent": 0, "node_level": 1}
    about = {"num_instance_masks": 3, "hierarchy": {0: whole, 1: part, 2: None}}
    painter.pickle("train/hannotation.pickle", dict.fromkeys(NAMES, about))
    for name in NAMES:
        mapping = [(0, 1), (1, 1), (1, 7), (0, 2)]
        painter.pickle(f"train/masks/{name}.pickle", ([png(first), png(second)], mapping))
        painter.image(f"train/images/{name}.jpg")
    return painter.root


def test_parts_know_their_wholes_and_stuff_comes_as_often_as_asked(combined: Path) -> None:
    recipe = recipe_of("[{data: 'COCO_LVIS:train', stuff_prob: 0.3}]")
    made = scenes(open_data(recipe, {"COCO_LVIS": combined}), 300)
    with_stuff = [scene for scene in made if len(scene.instances) == 4]
    assert {len(scene.instances) for scene in made} == {3, 4}
    assert len(with_stuff) / 300 == pytest.approx(0.3, abs=0.11)  # four standard deviations
    for scene in made:
        assert len(scene.wholes) == len(scene.instances) - 1
        ((part, whole),) = scene.parents.items()
        assert scene.mask(part).sum() == 4
        assert scene.mask(whole).sum() == 100
        assert (scene.mask(whole) | ~scene.mask(part)).all()


@pytest.fixture
def ade(painter, empty):
    """A layer of objects, the second of which is stuff, and a layer of parts."""
    objects, parts = np.dstack([empty] * 3), np.dstack([empty] * 3)
    for place, blue in enumerate((51, 102, 153)):
        objects[5 * place : 5 * place + 4] = (blue, 10, 20)
    parts[:2] = (255, 0, 0)
    painter.image("images/one.jpg")
    painter.array("images/seg.png", objects)
    painter.array("images/parts.png", parts)
    layers = [
        {"mask_name": "seg.png", "instance_to_class": {}, "stuff_instances": [2]},
        {"mask_name": "parts.png", "instance_to_class": {}, "stuff_instances": []},
    ]
    content = {"one": {"folder": "images", "layers": layers}}
    painter.pickle("train-annotations-object-segmentation.pkl", content)
    return painter.root


def test_one_layer_of_ade20k_is_drawn(ade: Path) -> None:
    data = open_data(recipe_of("[{data: 'ADE20k:train', stuff_prob: 0.5}]"), {"ADE20k": ade})
    assert {len(scene.instances) for scene in scenes(data)} == {1, 2, 3}


def box(number: int, left: int, top: int, right: int, bottom: int) -> dict[str, object]:
    polygon = [left, top, right, top, right, bottom, left, bottom]
    return {"id": number, "image_id": 1, "category_id": 1, "segmentation": [polygon]}


@pytest.fixture
def lvis(painter):
    """Two boxes of which each covers a part of the other."""
    painter.image("train/images/1.jpg")
    record = {"id": 1, "width": 40, "height": 30, "coco_url": "http://x/train2017/1.jpg"}
    annotations = [box(1, 5, 5, 20, 20), box(2, 15, 5, 30, 20)]
    painter.json("train/lvis_train.json", {"images": [record], "annotations": annotations})
    return painter


def test_lvis_is_painted_in_another_order_each_time(lvis) -> None:
    data = open_data(recipe_of("[{data: 'LVIS:train'}]"), {"LVIS": lvis.root})
    of_the_left = {
        any(scene.mask(each)[10, 7] and scene.mask(each)[10, 17] for each in scene.instances)
        for scene in scenes(data)
    }
    assert of_the_left == {True, False}


def test_an_annotation_that_cannot_be_used_stops_or_is_left_out(lvis) -> None:
    content = json.loads((lvis.root / "train/lvis_train.json").read_text())
    content["annotations"].append({**box(3, 0, 0, 1, 1), "segmentation": [[1, 2]]})
    lvis.json("train/lvis_train.json", content)
    strict = open_data(recipe_of("[{data: 'LVIS:train'}]"), {"LVIS": lvis.root})
    with pytest.raises(DatasetError, match=r"lvis_train\.json: Annotation 3: A polygon is not"):
        scenes(strict, 1)
    skipping = recipe_of("[{data: 'LVIS:train'}]", "data.broken_objects=skip")
    assert len(scenes(open_data(skipping, {"LVIS": lvis.root}), 1)[0].instances) == 2


@pytest.fixture
def sbd(painter, empty):
    for number, name in enumerate(("a", "b", "c", "d")):
        labels = empty.copy()
        labels[5:20, 5 : 20 + number] = 1
        painter.image(f"img/{name}.jpg")
        savemat(painter.path(f"inst/{name}.mat"), {"GTinst": {"Segmentation": labels}})
    painter.text("train.txt", "a\nb\nc\nd\n")
    return painter


def test_badly_segmented_photographs_are_drawn_more_often(sbd) -> None:
    """In proportion to (1 - score) to a power, from JSON and from the paper's kind of pickle."""
    rows = [(0, "a", 0.0), (1, "b", 0.75), (2, "c", 0.75), (3, "d", 1.0)]
    files = [sbd.json("scores.json", rows), sbd.pickle("scores.pkl", rows)]
    for path in files:
        recipe = recipe_of(f"[{{data: 'SBD_Train:train', scores: '{path}', scores_gamma: 0.5}}]")
        (source,) = open_data(recipe, {"SBD_Train": sbd.root}).sources
        assert source.chances is not None
        assert dict(zip([each.name for each in source.photographs], source.chances, strict=True)) == {
            "a.jpg": pytest.approx(0.5),
            "b.jpg": pytest.approx(0.25),
            "c.jpg": pytest.approx(0.25),
            "d.jpg": 0,
        }
        random = np.random.default_rng(0)
        drawn = [draw((source,), random).name for _ in range(1000)]
        assert drawn.count("a.jpg") / 1000 == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize(
    ("scored", "says_so"),
    [("", False), ("scores_gamma: 1.25", True), ("scores: FILE, scores_gamma: 1.25", False)],
)
def test_recipes_that_mean_scores_say_so_where_none_are_given(
    sbd, caplog: pytest.LogCaptureFixture, scored: str, says_so: bool
) -> None:
    path = sbd.json("scores.json", [(number, name, 0.5) for number, name in enumerate("abcd")])
    source = f"data: 'SBD_Train:train', {scored.replace('FILE', str(path))}".rstrip(", ")
    (found,) = open_data(recipe_of(f"[{{{source}}}]"), {"SBD_Train": sbd.root}).sources
    assert (found.chances is None) == ("scores:" not in scored)
    assert ("SBD_Train:train are drawn equally often" in caplog.text) == says_so


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([[0, "a", 0.5]], r"has no score of b\."),
        ([[0, "a", 2]], "does not hold"),
        ({"a": 1}, "does not hold"),
        ([[0, name, 1.0] for name in "abcd"], "every score is 1"),
    ],
)
def test_odd_scores_are_named(sbd, rows: object, sentence: str) -> None:
    path = sbd.json("scores.json", rows)
    recipe = recipe_of(f"[{{data: 'SBD_Train:train', scores: '{path}'}}]")
    with pytest.raises(RitmError, match=rf"scores\.json.*{sentence}"):
        open_data(recipe, {"SBD_Train": sbd.root})


def test_sources_are_mixed_by_share_or_by_size(sbd, pack: Path) -> None:
    roots = {"SBD_Train": sbd.root, "own": pack}
    for shares, expected in ((("", ""), 4 / 14), ((", share: 3", ", share: 1"), 3 / 4)):
        recipe = recipe_of(f"[{{data: 'SBD_Train:train'{shares[0]}}}, {{data: own{shares[1]}}}]")
        data = open_data(recipe, roots)
        random = np.random.default_rng(0)
        drawn = [draw(data.sources, random).source for _ in range(2000)]
        assert drawn.count("SBD_Train:train") / 2000 == pytest.approx(expected, abs=0.05)
    with pytest.raises(TrainingError, match="must have a share, or none"):
        recipe_of("[{data: own, share: 1}, {data: SBD_Train}]")


def test_several_packs_are_learnt_from_as_one(pack: Path, tmp_path: Path) -> None:
    manifest = json.loads((pack / "manifest.json").read_text())
    packs = []
    for number, samples in enumerate((manifest["samples"][:4], manifest["samples"][4:])):
        packs.append(tmp_path / str(number))
        shutil.copytree(pack, packs[-1])
        (packs[-1] / "manifest.json").write_text(json.dumps({"samples": samples}))
    recipe = load_recipe("starter", ["data.source_weights={}", "data.licence_classes=null"])
    apart = open_data(recipe, data_roots(None, tuple(map(str, packs))))
    together = open_data(recipe, data_roots(None, (str(pack),)))
    names = [
        sorted(each.name for source in data.sources for each in source.photographs)
        for data in (apart, together)
    ]
    assert names[0] == names[1]
    assert len(apart.sources) == 1
    assert {each.name for each in apart.held_out} == {each.name for each in together.held_out}


def test_older_data_is_replayed_in_its_share(sbd, pack: Path) -> None:
    recipe = recipe_of("[{data: 'SBD_Train:train'}]", f"data.replay={{folder: {pack}, share: 0.4}}")
    sources = open_data(recipe, {"SBD_Train": sbd.root}).sources
    weights = {source.name: source.weight for source in sources}
    assert weights["replay"] / sum(weights.values()) == pytest.approx(0.4)


def test_a_data_set_of_its_own_validates(sbd, pack: Path) -> None:
    recipe = recipe_of("[{data: own}]", "data.validation=[{data: SBD_Train}]", "data.validation_share=0.5")
    data = open_data(recipe, {"SBD_Train": sbd.root, "own": pack})
    assert [photograph.name for photograph in data.held_out] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert sum(len(source.photographs) for source in data.sources) == 10


@pytest.fixture
def folders(painter, empty):
    """The same photograph and two objects as masks of their own, as a map of labels, and as COCO-RLE."""
    first, second = empty.copy(), empty.copy()
    first[:10], first[10:12], second[20:] = 255, 128, 255
    for layout in ("images_dir", "labels"):
        painter.image(f"{layout}/images/one.jpg")
    painter.array("images_dir/masks/one_1.png", first)
    painter.array("images_dir/masks/one_2.png", second)
    labels = empty.copy()
    labels[:10], labels[10:12], labels[20:] = 1, 255, 2
    painter.array("labels/masks/one.png", labels)
    return painter.root


@pytest.mark.parametrize("layout", ["images_dir", "labels"])
def test_folders_of_ones_own_are_read(folders: Path, layout: str) -> None:
    data = open_data(recipe_of("[]"), {"own": f"{layout}:{folders / layout}"})
    (scene,) = scenes(data, 1)
    assert sorted(scene.mask(each).sum() for each in scene.instances) == [400, 400]
    assert scene.ignored_HW.sum() == 80
    sample = make_samples(recipe_of("[]", "data.crop=[32, 48]", "data.min_area=1"), data.sources)[0]
    assert isinstance(sample, Batch)
    assert sample.image_B3HW.shape == (3, 32, 48)


@pytest.fixture
def coco_rle(painter, empty):
    """A whole, its part, and sky."""
    masks = {number: empty.copy() for number in (1, 2, 3)}
    masks[1][5:25, 5:25], masks[2][10:15, 10:15], masks[3][:4] = 1, 1, 1
    more: dict[int, dict[str, int]] = {1: {}, 2: {"parent": 1, "level": 1}, 3: {"stuff": 1}}
    annotations = []
    for number, mask in masks.items():
        runs = coco.encode(np.asfortranarray(mask))
        segmentation = {"size": list(mask.shape), "counts": runs["counts"].decode()}
        annotation = {"id": number, "image_id": 1, "category_id": 1, "area": int(mask.sum())}
        annotations.append({**annotation, "segmentation": segmentation, **more[number]})
    image = {"id": 1, "file_name": "one.png", "height": 30, "width": 40, "source": "mine"}
    content = {"categories": [{"id": 1, "name": "x"}], "images": [image], "annotations": annotations}
    painter.json("annotations.json", content)
    painter.image("images/one.png")
    return painter


def test_the_coco_rle_layout_is_read_with_parts_and_stuff(coco_rle) -> None:
    data = open_data(recipe_of("[{data: own, stuff_prob: 0.5}]"), coco_rle.root)
    made = scenes(data)
    assert {len(scene.instances) for scene in made} == {2, 3}
    assert all(scene.parents == {scene.instances[1]: scene.instances[0]} for scene in made)
    assert made[0].mask(made[0].instances[1]).sum() == 25
    (coco_rle.root / "images/one.png").unlink()
    with pytest.raises(DatasetError, match=r"one\.png: The file is missing"):
        scenes(data, 1)


def test_what_is_missing_is_named(tmp_path: Path, folders: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"has neither manifest\.json nor annotations\.json; .*labels:FOLDER"
    ):
        open_data(recipe_of("[]"), tmp_path)
    with pytest.raises(TrainingError, match="There is no data at lables:x; write LAYOUT:FOLDER"):
        open_data(recipe_of("[]"), {"own": "lables:x"})
    (tmp_path / "export.zip").write_bytes(b"")
    with pytest.raises(TrainingError, match=r"export\.zip is a file: .* from-cvat`; .* COCO:FILE"):
        open_data(recipe_of("[]"), {"own": str(tmp_path / "export.zip")})
    with pytest.raises(TrainingError, match="Give their folder with --data"):
        open_data(recipe_of("[]"), {})
    with pytest.raises(DatasetError, match="Where is LVIS"):
        open_data(recipe_of("[{data: 'LVIS:train'}]"), {})
    with pytest.raises(DatasetError, match=r"LVIS:train is incomplete: .* is missing"):
        open_data(recipe_of("[{data: 'LVIS:train'}]"), {"LVIS": tmp_path})
    (folders / "labels/masks/one.png").write_bytes(b"\x89PNG cut off")
    data = open_data(recipe_of("[]"), {"own": f"labels:{folders / 'labels'}"})
    with pytest.raises(DatasetError, match=r"one\.png: The mask is no image"):
        scenes(data, 1)
