"""Sampled clicks lie where the paper's do, and are as many."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ritm_model.datasets.layers import Instance
from ritm_model.learning.sampling import ClickSampler, count_chances, middle, surroundings
from ritm_model.learning.scene import Scene

# Chi-square quantiles at 0.9999 for the degrees of freedom used below.
CRITICAL = {1: 15.14, 14: 43.6}
DRAWS = 4000


@pytest.fixture(scope="module")
def recorded(golden: Path) -> dict[str, npt.NDArray[Any]]:
    with np.load(golden / "unit_sampler.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def facts(golden: Path) -> dict[str, Any]:
    unit: dict[str, Any] = json.loads((golden / "unit.json").read_text())
    return unit


@pytest.fixture(scope="module")
def scene(recorded: dict[str, npt.NDArray[Any]]) -> Scene:
    """Four objects, of which the last has fewer than 100 pixels."""
    layer_HW = recorded["instances"].astype(np.uint8)
    image_HW3 = np.zeros((*layer_HW.shape, 3), np.uint8)
    everything = tuple(Instance(0, value) for value in range(1, 5))
    nowhere = np.zeros(layer_HW.shape, bool)
    whole = Scene(image_HW3, layer_HW[None], everything, nowhere).with_objects_of(100)
    assert [instance.value for instance in whole.instances] == [1, 2, 3]
    return whole


@pytest.mark.parametrize("kinds", [24, 25])
def test_chances_of_the_counts_are_the_golden_ones(facts: dict[str, Any], kinds: int) -> None:
    np.testing.assert_allclose(count_chances(kinds, 0.8), facts[f"probs_{kinds}_080"], rtol=1e-12)


def test_border_and_middle_are_the_golden_ones(recorded: dict[str, npt.NDArray[Any]], scene: Scene) -> None:
    object_HW = scene.mask(Instance(0, 1))
    np.testing.assert_array_equal(surroundings(object_HW, 0.1), recorded["border_obj1"] > 0)
    np.testing.assert_array_equal(np.argwhere(middle(object_HW, 1.7)), recorded["candidates_obj1_k17"])


def test_golden_targets_and_clicks_are_possible_ones(
    recorded: dict[str, npt.NDArray[Any]], scene: Scene
) -> None:
    """What the paper's code drew could have been drawn here."""
    possible = {
        scene.union(chosen).tobytes()
        for chosen in (
            *((instance,) for instance in scene.instances),
            *((a, b) for a in scene.instances for b in scene.instances if a != b),
        )
    }
    for points_P3, truth_HW in zip(recorded["points_seed0_39"], recorded["gt_seed0_39"], strict=True):
        assert (truth_HW > 0).tobytes() in possible
        for slot, (row, column, order) in enumerate(points_P3.tolist()):
            if order >= 0:
                assert order == 100
                assert truth_HW[row, column] == (slot < 24)


@pytest.mark.slow
def test_own_draws_have_the_golden_statistics(facts: dict[str, Any], scene: Scene) -> None:
    expected = facts["sampler_stats_4000"]
    sampler = ClickSampler()
    positives, negatives = np.zeros(25, int), np.zeros(25, int)
    in_border = in_other = merged = 0
    for seed in range(DRAWS):
        target = sampler.sample(scene, np.random.default_rng(seed))
        used = target.points_P3[:, 0] >= 0
        positives[used[:24].sum()] += 1
        negatives[used[24:].sum()] += 1
        merged += len(target.instances) > 1
        object_HW = target.truth_HW == 1
        rows, columns = target.points_P3[24:][used[24:], :2].astype(int).T
        assert not object_HW[rows, columns].any()
        in_border += surroundings(object_HW, 0.1)[rows, columns].sum()
        in_other += (scene.union(scene.instances) & ~object_HW)[rows, columns].sum()
        rows, columns = target.points_P3[:24][used[:24], :2].astype(int).T
        assert object_HW[rows, columns].all()

    assert positives.sum() == DRAWS
    assert chi_square(positives, np.array(expected["n_pos"])) < CRITICAL[14]
    assert chi_square(negatives, np.array(expected["n_neg"])) < CRITICAL[14]
    assert chi_square(*pair(merged, expected["merged"], DRAWS)) < CRITICAL[1]
    ours, theirs = int((negatives * np.arange(25)).sum()), expected["neg_total"]
    for count, key in ((in_border, "neg_in_border"), (in_other, "neg_in_other")):
        # Clicks of one draw share their object, so the shares vary more than independent clicks would.
        assert count / ours == pytest.approx(expected[key] / theirs, abs=0.02), key


def test_a_scene_without_objects_has_negative_clicks_only() -> None:
    layers_LHW = np.zeros((1, 40, 50), np.uint8)
    empty = Scene(np.zeros((40, 50, 3), np.uint8), layers_LHW, (), np.zeros((40, 50), bool))
    targets = [ClickSampler().sample(empty, np.random.default_rng(seed)) for seed in range(20)]
    assert all((target.truth_HW == 0).all() for target in targets)
    assert all((target.points_P3[:24] == -1).all() for target in targets)
    assert any((target.points_P3[24:] >= 0).any() for target in targets)


def test_ignored_pixels_are_marked(scene: Scene) -> None:
    ignored_HW = np.zeros(scene.size, bool)
    ignored_HW[:10] = True
    marked = Scene(scene.image_HW3, scene.layers_LHW, scene.instances, ignored_HW)
    truth_HW = ClickSampler().sample(marked, np.random.default_rng(0)).truth_HW
    np.testing.assert_array_equal(truth_HW == -1, ignored_HW)


def test_the_first_click_may_be_asked_into_the_middle(scene: Scene) -> None:
    sampler = ClickSampler(centre_first=True, erode_prob=0, merge_prob=0)
    for seed in range(20):
        target = sampler.sample(scene, np.random.default_rng(seed))
        row, column, order = target.points_P3[0].astype(int)
        assert order == 0
        assert middle(target.truth_HW == 1, 1.7)[row, column]


@pytest.fixture
def animal() -> Scene:
    """A whole with a large part, which has a part itself, and a tiny part; beside it another object."""
    layers_LHW = np.zeros((3, 60, 90), np.uint8)
    layers_LHW[0, 10:50, 10:50] = 1  # the whole
    layers_LHW[1, 10:50, 10:25] = 1  # its large part
    layers_LHW[1, 40:44, 40:44] = 2  # its tiny part
    layers_LHW[2, 10:25, 10:20] = 1  # the part of the large part
    layers_LHW[0, 20:40, 60:80] = 2  # the other object
    whole, large, tiny, part, other = (Instance(*place) for place in ((0, 1), (1, 1), (1, 2), (2, 1), (0, 2)))
    image_HW3 = np.zeros((60, 90, 3), np.uint8)
    return Scene(
        image_HW3,
        layers_LHW,
        (whole, large, tiny, part, other),
        np.zeros((60, 90), bool),
        parents={large: whole, tiny: whole, part: large},
    )


def test_only_whole_objects_are_asked_for(animal: Scene) -> None:
    targets = [ClickSampler().sample(animal, np.random.default_rng(seed)) for seed in range(100)]
    assert {each for target in targets for each in target.instances} == {Instance(0, 1), Instance(0, 2)}
    assert all((target.truth_HW == 1).sum() in (1600, 400, 2000) for target in targets)


def test_with_the_hierarchy_parts_are_asked_for_as_often_as_said(animal: Scene) -> None:
    sampler = ClickSampler(hierarchy=True, merge_prob=0)
    asked = [sampler.sample(animal, np.random.default_rng(seed)).instances[0] for seed in range(2000)]
    for place, chance in (
        ((0, 2), 1 / 2),
        ((0, 1), 1 / 4),
        ((1, 2), 1 / 8),
        ((1, 1), 1 / 16),
        ((2, 1), 1 / 16),
    ):
        # Four standard deviations.
        margin = 4 * (chance * (1 - chance) / 2000) ** 0.5
        assert asked.count(Instance(*place)) / 2000 == pytest.approx(chance, abs=margin), place


def test_a_part_gets_a_negative_click_on_the_rest_of_its_whole(animal: Scene) -> None:
    sampler = ClickSampler(hierarchy=True, merge_prob=0)
    whole_HW, large_HW = animal.mask(Instance(0, 1)), animal.mask(Instance(1, 1))
    removed = seen = 0
    for seed in range(400):
        target = sampler.sample(animal, np.random.default_rng(seed))
        used = target.points_P3[:, 0] >= 0
        positive = target.points_P3[:24][used[:24], :2].astype(int)
        negative = target.points_P3[24:][used[24:], :2].astype(int)
        assert (target.truth_HW[tuple(positive.T)] == 1).all()
        assert (target.truth_HW[tuple(negative.T)] == 0).all()
        if target.instances == (Instance(1, 1),):
            seen += 1
            assert (whole_HW & ~large_HW)[tuple(negative.T)].any()
        elif target.instances == (Instance(0, 1),):
            assert len(positive)
            assert not animal.mask(Instance(1, 2))[tuple(positive.T)].any()  # would mean the tiny part
            if not target.truth_HW[30, 15]:
                removed += 1
                assert large_HW[tuple(negative.T)].any()
    assert seen > 5
    assert removed > 5


def test_parts_of_what_is_dropped_belong_to_the_next_larger_object(animal: Scene) -> None:
    whole, large, part = Instance(0, 1), Instance(1, 1), Instance(2, 1)
    layers_LHW = animal.layers_LHW.copy()
    layers_LHW[1, layers_LHW[1] == 1] = 0
    kept = Scene(
        animal.image_HW3, layers_LHW, animal.instances, animal.ignored_HW, parents=animal.parents
    ).with_objects_of(20)
    assert kept.parents == {part: whole}
    assert kept.wholes == (whole, Instance(0, 2))
    assert kept.parts(whole) == (part,)
    assert animal.parts(whole) == (large, Instance(1, 2))


def pair(ours: int, theirs: int, total: int) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]]:
    return np.array([ours, total - ours]), np.array([theirs, total - theirs])


def chi_square(ours: npt.NDArray[np.int_], theirs: npt.NDArray[np.int_]) -> float:
    """Two-sample statistic of equally many draws; everything from the 15th bin on counts as one."""
    ours, theirs = (np.append(counts[:14], counts[14:].sum()) for counts in (ours, theirs))
    used = ours + theirs > 0
    return float(((ours - theirs)[used] ** 2 / (ours + theirs)[used]).sum())
