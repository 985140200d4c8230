"""Packs are read, split by photograph, and turned into samples that follow from a seed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torch.utils.data._utils.pin_memory import pin_memory

from ritm_model.datasets.layers import Instance
from ritm_model.datasets.problems import BrokenFileError, DatasetError
from ritm_model.datasets.readers.pack import read_pack
from ritm_model.errors import TrainingError
from ritm_model.learning.augment import pipeline
from ritm_model.learning.data import Samples, collate, make_samples, paste, unbroken
from ritm_model.learning.held_out import is_held_out
from ritm_model.learning.photographs import TrainingPhotograph
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.recipes import load_recipe
from ritm_model.learning.regions import with_regions
from ritm_model.learning.sampling import ClickSampler
from ritm_model.learning.scene import Scene
from ritm_model.learning.sources import by_collection, divide, draw
from ritm_model.learning.step.step import Batch
from ritm_model.learning.thin_objects import with_thin_objects
from ritm_model.learning.validation import questions
from ritm_model.masks.overlap import iou

CROP = (64, 80)


def photographs_of(pack: Path, *overrides: str) -> tuple[TrainingPhotograph, ...]:
    plain = ("data.validation_share=0", "data.min_object_share=0", "data.source_weights={}")
    recipe = load_recipe("starter", [*plain, "data.licence_classes=null", *overrides])
    (source,) = open_data(recipe, pack).sources
    return source.photographs


def samples(pack: Path, **changes: object) -> Samples:
    made: dict[str, object] = {
        "sources": by_collection(photographs_of(pack), {}),
        "transforms": pipeline("strong", CROP),
        "sampler": ClickSampler(),
        "seed": 3,
        "min_area": 20,
    }
    return Samples(**{**made, **changes})  # type: ignore[arg-type]


def batch_of(source: Samples, *numbers: int) -> Batch:
    batch = collate([source[number] for number in numbers])
    assert isinstance(batch, Batch)
    return batch.on(torch.device("cpu"), torch.contiguous_format)


def test_a_batch_is_bytes_until_it_is_on_the_device(pack: Path) -> None:
    source = samples(pack, from_mask_prob=0.5)
    stored = collate([source[number] for number in range(4)])
    assert isinstance(stored, Batch)
    assert stored.given_B1HW is not None
    assert all(part.element_size() == 1 for part in (stored.image_B3HW, stored.truth_B1HW, stored.given_B1HW))
    moved = stored.on(torch.device("cpu"), torch.channels_last)
    assert moved.given_B1HW is not None
    assert moved.image_B3HW.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(moved.image_B3HW, stored.image_B3HW.float() / 255)
    assert torch.equal(moved.truth_B1HW, stored.truth_B1HW.float())
    assert torch.equal(moved.given_B1HW, stored.given_B1HW.float())


def test_the_data_loader_pins_every_part_of_a_batch(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only machines with a GPU can pin memory; here a copy that is remembered stands for it."""
    pinned: list[torch.Tensor] = []

    def pin(tensor: torch.Tensor, *_: object) -> torch.Tensor:
        pinned.append(tensor.clone())
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    source = samples(pack, from_mask_prob=0.5)
    batch = pin_memory(collate([source[0], source[1]]))
    parts = (batch.image_B3HW, batch.truth_B1HW, batch.points_BP3, batch.given_B1HW)
    assert {id(part) for part in parts} == {id(part) for part in pinned}
    assert len(pinned) == len(parts)


def test_a_sample_follows_from_seed_and_number(pack: Path) -> None:
    first, again, reseeded = samples(pack), samples(pack), samples(pack, seed=4)
    for number in (0, 1, 10**9):
        assert torch.equal(batch_of(first, number).image_B3HW, batch_of(again, number).image_B3HW)
        assert torch.equal(batch_of(first, number).points_BP3, batch_of(again, number).points_BP3)
    assert not torch.equal(batch_of(first, 0).image_B3HW, batch_of(first, 1).image_B3HW)
    assert not torch.equal(batch_of(first, 0).image_B3HW, batch_of(reseeded, 0).image_B3HW)


def test_a_batch_has_the_shapes_and_ranges_of_the_learning_step(pack: Path) -> None:
    batch = batch_of(samples(pack, paste_prob=0.5), *range(4))
    assert batch.image_B3HW.shape == (4, 3, *CROP)
    assert batch.truth_B1HW.shape == (4, 1, *CROP)
    assert batch.points_BP3.shape == (4, 48, 3)
    assert 0 <= batch.image_B3HW.min() < batch.image_B3HW.max() <= 1
    assert set(batch.truth_B1HW.unique().tolist()) <= {-1.0, 0.0, 1.0}
    for truth_HW, points_P3 in zip(batch.truth_B1HW[:, 0], batch.points_BP3, strict=True):
        rows, columns, _ = points_P3[:24][points_P3[:24, 0] >= 0].long().T
        assert (truth_HW[rows, columns] != 0).all()


def test_a_sample_may_start_from_a_mask_and_the_click_that_corrects_it(pack: Path) -> None:
    batch = batch_of(samples(pack, from_mask_prob=0.5), *range(12))
    assert batch.given_B1HW is not None
    starts = batch.given_B1HW.flatten(1).any(1)
    assert 2 < starts.sum() < 10
    for number in range(12):
        truth_HW = batch.truth_B1HW[number, 0].numpy().astype(np.int8)
        clicks_K3 = batch.points_BP3[number][batch.points_BP3[number, :, 0] >= 0].int().tolist()
        if not starts[number]:
            assert len(clicks_K3) >= 1
            continue
        given_HW = batch.given_B1HW[number, 0].numpy() > 0
        assert 0.75 <= iou(given_HW, truth_HW) < 0.85
        ((row, column, _),) = clicks_K3
        slot = int((batch.points_BP3[number, :, 0] >= 0).nonzero()[0])
        assert (truth_HW[row, column] == 1) == (slot < 24)  # positive on what is missing
        assert given_HW[row, column] == (slot >= 24)
    assert batch_of(samples(pack), 0).given_B1HW is None


@pytest.mark.parametrize(
    ("setting", "function"), [("region_prob", with_regions), ("thin_prob", with_thin_objects)]
)
def test_what_nobody_annotated_is_asked_for_as_often_as_the_recipe_says(
    setting: str, function: Callable[..., Scene], pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(scene: Scene, random: np.random.Generator) -> Scene:
        asked.append(1)
        return function(scene, random)

    monkeypatch.setattr(f"ritm_model.learning.data.{function.__name__}", counted)
    for prob, low, high in ((0.0, 0, 0), (0.5, 8, 32)):
        asked.clear()
        batch = batch_of(samples(pack, **{setting: prob}), *range(40))
        assert low <= len(asked) <= high
        assert (batch.truth_B1HW == 1).flatten(1).any(1).sum() >= 36


def test_the_first_samples_may_be_smaller(pack: Path) -> None:
    growing = samples(pack, first_transforms=((2, pipeline("strong", (32, 48))),))
    assert batch_of(growing, 0, 1).image_B3HW.shape[2:] == (32, 48)
    assert batch_of(growing, 2, 3).image_B3HW.shape[2:] == CROP
    assert torch.equal(batch_of(growing, 2).image_B3HW, batch_of(samples(pack), 2).image_B3HW)
    recipe = load_recipe("starter", ["data.growing=[[3, [64, 64]]]", "epoch_samples=21", "batch_size=4"])
    ((end, _),) = make_samples(recipe, ()).first_transforms
    assert end == 3 * 20  # whole batches, so that none has two sizes


def test_the_split_is_by_photograph_and_never_changes(pack: Path) -> None:
    photographs = photographs_of(pack)
    learning, held_out = divide(photographs, 0.3)
    assert {Path(photograph.name).stem for photograph in held_out} == {"bus", "cat_bowl"}
    assert {*learning, *held_out} == {*photographs}
    assert not any(is_held_out(photograph.name, 0.0) for photograph in photographs)


def test_masks_of_one_photograph_stay_together(broken_pack: Path) -> None:
    """Of several masks, each scene has the objects of one."""
    manifest = broken_pack / "manifest.json"
    content = json.loads(manifest.read_text())
    entry = content["samples"][0]
    content["samples"] = [entry, {**entry, "mask": "masks/missing.png"}]
    manifest.write_text(json.dumps(content))
    (twin,) = photographs_of(broken_pack)
    first, second = np.random.default_rng(1), np.random.default_rng(0)
    assert twin.scene(first).name.endswith(entry["mask"])
    with pytest.raises(BrokenFileError, match="missing.png"):
        twin.scene(second)
    assert twin.objects == 2 * len(entry["objects"])


def test_licences_and_small_objects_are_left_out(broken_pack: Path) -> None:
    """What has no class of licence is the user's own, and is always learnt from."""
    manifest = broken_pack / "manifest.json"
    content = json.loads(manifest.read_text())
    for entry, kind in zip(content["samples"], ("a", "b"), strict=False):
        entry["license_class"] = kind
    manifest.write_text(json.dumps(content))
    assert len(photographs_of(broken_pack)) == 10
    chosen = photographs_of(broken_pack, "data.licence_classes=[a]")
    assert len(chosen) == 9
    assert content["samples"][1]["image"].rpartition("/")[2] not in {each.name for each in chosen}
    large = photographs_of(broken_pack, "data.min_object_share=0.02")
    counts = [sum(each.objects or 0 for each in found) for found in (large, photographs_of(broken_pack))]
    assert 0 < counts[0] < counts[1] == 54
    for photograph in large:
        scene = photograph.scene(np.random.default_rng(0))
        assert len(scene.instances) == photograph.objects


def test_sources_are_drawn_by_weight() -> None:
    photographs = [
        TrainingPhotograph(f"{source}{i}", (), source)
        for source, count in (("a", 1), ("b", 50), ("c", 50))
        for i in range(count)
    ]
    random = np.random.default_rng(0)
    sources = by_collection(photographs, {"a": 3.0, "other": 1.0})
    drawn = [draw(sources, random).source for _ in range(2000)]
    assert drawn.count("a") / 2000 == pytest.approx(0.75, abs=0.05)
    assert drawn.count("b") > 0
    only = by_collection(photographs, {"b": 1.0})
    assert {draw(only, random).source for _ in range(50)} == {"b"}
    with pytest.raises(TrainingError, match="No photograph is of a source"):
        by_collection(photographs, {"d": 1.0})


def test_questions_are_spread_over_the_photographs_and_never_change(pack: Path) -> None:
    photographs = photographs_of(pack)
    asked = questions(photographs, 12)
    assert questions(photographs[::-1], 12) == asked
    assert len({question.photograph.name for question in asked[:10]}) == 10
    assert len({(question.photograph.name, question.instance) for question in asked}) == 12
    assert questions(photographs, 4) == asked[:4]
    for question in asked:
        assert question.scene().mask(question.instance).any()
    assert len(questions(photographs, 1000)) == 54


def test_pasting_adds_an_object_on_top() -> None:
    ground = scene_of(np.uint8(10), slice(0, 40), slice(0, 40))
    other = scene_of(np.uint8(200), slice(5, 25), slice(10, 40))
    sizes = []
    for seed in range(30):
        pasted = paste(ground, other, np.random.default_rng(seed))
        new = [instance for instance in pasted.instances if instance.value != 1]
        assert len(new) == 1
        mask_HW = pasted.mask(new[0])
        sizes.append(mask_HW.sum())
        assert not (mask_HW & pasted.mask(Instance(0, 1))).any()
        interior = np.pad(mask_HW, 4)[8:, 4:-4] & np.pad(mask_HW, 4)[:-8, 4:-4] & mask_HW
        interior &= np.pad(mask_HW, 4)[4:-4, 8:] & np.pad(mask_HW, 4)[4:-4, :-8]
        assert (pasted.image_HW3[interior] > 190).all()
    assert max(sizes) == 20 * 30
    assert min(sizes) >= 20 * 30 / 4 * 0.8


def scene_of(colour: np.uint8, rows: slice, columns: slice) -> Scene:
    layer_HW = np.zeros((60, 70), np.uint8)
    layer_HW[rows, columns] = 1
    image_HW3 = np.full((60, 70, 3), colour, np.uint8)
    return Scene(image_HW3, layer_HW[None], (Instance(0, 1),), np.zeros((60, 70), bool))


@pytest.fixture
def broken_pack(pack: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    shutil.copytree(pack, folder)
    return folder


def test_what_is_broken_is_named(broken_pack: Path) -> None:
    entry, other = read_pack(broken_pack)[:2]
    mask, image = broken_pack / entry.mask, broken_pack / entry.image
    (photograph,) = [each for each in photographs_of(broken_pack) if each.image == image]
    random = np.random.default_rng(0)
    mask.write_bytes(mask.read_bytes()[:40])
    with pytest.raises(BrokenFileError, match=rf"{mask.name}: The mask is no image of a known"):
        photograph.scene(random)
    shutil.copy(broken_pack / other.mask, mask)
    with pytest.raises(BrokenFileError, match=rf"{mask.name}: Mask and image differ in size"):
        photograph.scene(random)
    image.unlink()
    with pytest.raises(BrokenFileError, match=rf"{image.name}: The file is missing"):
        photograph.scene(random)


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_that_need_a_broken_file_are_drawn_anew(broken_pack: Path, workers: int) -> None:
    """Always in the same way, whoever makes them; all others stay what they were."""
    whole = [batch_of(samples(broken_pack), number) for number in range(12)]
    gone = broken_pack / read_pack(broken_pack)[3].image
    gone.unlink()
    source = samples(broken_pack)
    loader = DataLoader(source, batch_size=2, sampler=range(12), num_workers=workers, collate_fn=collate)
    batches = list(unbroken(loader))
    assert {reason for batch in batches for reason in batch.broken} == {f"{gone}: The file is missing."}
    for number, before in enumerate(whole):
        batch, place = batches[number // 2], number % 2
        alone = source[number]
        assert isinstance(alone, Batch)
        assert torch.equal(alone.image_B3HW, batch.image_B3HW[place])
        assert torch.equal(alone.points_BP3, batch.points_BP3[place])
        is_same = torch.equal(before.image_B3HW[0], alone.image_B3HW.float() / 255)
        assert is_same == (not alone.broken)
    assert 0 < sum(len(batch.broken) for batch in batches) < 6


@pytest.mark.parametrize("workers", [0, 2])
def test_where_nothing_can_be_read_a_file_is_named_whoever_reads_it(broken_pack: Path, workers: int) -> None:
    """Not with a worker's traceback."""
    for entry in read_pack(broken_pack):
        (broken_pack / entry.image).unlink()
    loader = DataLoader(samples(broken_pack), sampler=range(9), num_workers=workers, collate_fn=collate)
    with pytest.raises(TrainingError) as refusal:
        next(unbroken(loader))
    sentences = r"\S+\.jpg: The file is missing\. Sample 0 could not be made in 20 attempts\."
    assert re.fullmatch(sentences, str(refusal.value))


def test_questions_leave_out_what_is_broken_only_where_that_is_asked_for(
    broken_pack: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photographs = photographs_of(broken_pack)
    whole = questions(photographs, 1000)
    gone = photographs[0].image
    gone.unlink()
    with pytest.raises(BrokenFileError, match=gone.name):
        questions(photographs, 1000)
    left = questions(photographs, 1000, skip_broken=True)
    assert left == tuple(question for question in whole if question.photograph.image != gone)
    assert f"{gone}: The file is missing. The validation does without it." in caplog.text
    with pytest.raises(BrokenFileError, match=gone.name):
        questions(photographs[:1], 1000, skip_broken=True)


def test_a_manifest_that_is_none_is_refused(broken_pack: Path) -> None:
    manifest = broken_pack / "manifest.json"
    manifest.write_text(json.dumps({"samples": [{"image": "a.jpg"}]}))
    with pytest.raises(DatasetError, match=r"manifest.json is not a manifest of a pack: samples.0.mask"):
        read_pack(broken_pack)
    manifest.unlink()
    with pytest.raises(DatasetError, match="manifest.json: The file is missing"):
        read_pack(broken_pack)
