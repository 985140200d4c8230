"""Recipes are typed: what they say is checked, and what is unknown is an error with a suggestion."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
import torch
import yaml

from ritm_model.datasets.readers.pack import PackEntry, PackObject
from ritm_model.errors import TrainingError
from ritm_model.learning.data import make_samples
from ritm_model.learning.loop.starting import make_model
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.recipes import (
    explained_yaml,
    load_recipe,
    parse_recipe,
    recipe_names,
    recipe_yaml,
)
from ritm_model.learning.recipes.explain import explanations_of_params
from ritm_model.learning.recipes.renamed import RENAMED
from ritm_model.networks import build
from ritm_model.networks.families import FAMILIES

PUBLISHABLE = {
    "permissive",
    "permissive-sharealike",
    "permissive-unverified",
    "noderivs",
    "noncommercial",
    "noncommercial-noderivs",
}


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_builds_its_model_and_survives_being_written_out(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.about
    assert parse_recipe(recipe_yaml(recipe), "written out") == recipe
    if recipe.model.family:
        with torch.device("meta"):
            build(recipe.model.family, recipe.model.params)
    make_samples(recipe, ())


def test_the_starter_learns_from_nothing_that_may_not_be_published(tmp_path: Path) -> None:
    recipe = load_recipe("starter")
    everything = [
        PackEntry(
            image=f"{kind}{i}.jpg", mask="a.png", license_class=kind, objects=(PackObject(id=1, area=0.5),)
        )
        for kind in (*PUBLISHABLE, "research-only", "unclear", "")
        for i in range(30)
    ]
    write_manifest(tmp_path, everything)
    found = open_data(recipe, tmp_path)
    learning = {photograph.name for source in found.sources for photograph in source.photographs}
    held_out = {photograph.name for photograph in found.held_out}
    allowed = {entry.image for entry in everything if entry.license_class in (*PUBLISHABLE, "")}
    assert learning | held_out == allowed
    assert held_out
    assert not learning & held_out
    write_manifest(tmp_path, [entry for entry in everything if entry.license_class == "unclear"])
    with pytest.raises(TrainingError, match="Nothing is left to learn from"):
        open_data(recipe, tmp_path)


def write_manifest(folder: Path, entries: list[PackEntry]) -> None:
    content = {"samples": [entry.model_dump() for entry in entries]}
    (folder / "manifest.json").write_text(json.dumps(content))


def test_a_recipe_may_say_only_what_is_different(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("extends: starter\nname: own\ndata: {crop: [64, 64]}\noptimiser: {milestones: [3]}\n")
    recipe, starter = load_recipe(str(own)), load_recipe("starter")
    assert recipe.data == starter.data.model_copy(update={"crop": (64, 64)})
    assert recipe.optimiser == starter.optimiser.model_copy(update={"milestones": (3,)})
    third = tmp_path / "third.yaml"
    third.write_text(f"extends: {own}\nname: third\nbatch_size: 2\n")
    assert load_recipe(str(third)).data == recipe.data
    for text, sentence in (
        (f"extends: {third}", "extends itself"),
        ("extends: startr", "did you mean 'starter'"),
        ("extends: [starter]", "extends must be the name of a recipe"),
    ):
        third.write_text(f"{text}\nname: third\n")
        with pytest.raises(TrainingError, match=sentence):
            load_recipe(str(third))


@pytest.mark.parametrize("name", recipe_names())
def test_every_value_is_explained_and_what_explains_is_a_recipe(name: str) -> None:
    recipe = load_recipe(name)
    text = explained_yaml(recipe)
    assert parse_recipe(text, "explained") == recipe
    above = ""
    for line in text.splitlines():
        if re.match(r" *\w+:", line):
            assert above.lstrip().startswith("#"), f"nothing explains {line}"
        above = line


def test_the_parameters_of_networks_are_explained() -> None:
    for name, family in FAMILIES.items():
        names = {field.name for field in dataclasses.fields(family.config)}
        assert names - explanations_of_params(name).keys() <= {"norm_mean_std"}


def test_overrides_change_the_recipe() -> None:
    recipe = load_recipe("starter", ["batch_size=3", "optimiser.clip_norm=null", "data.crop=[64, 80]"])
    assert (recipe.batch_size, recipe.optimiser.clip_norm, recipe.data.crop) == (3, None, (64, 80))
    assert recipe.epoch_steps == 2000 // 3


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("optimiser.learning_rat=1", "there is no 'optimiser.learning_rat' (did you mean 'learning_rate'?)."),
        ("data.sources=[{dat: SBD}]", "there is no 'data.sources.0.dat' (did you mean 'data'?)."),
        ("data.replay.shar=0.1", "there is no 'data.replay.shar' (did you mean 'share'?)."),
        ("model.params.head_widht=8", "Unknown model parameter head_widht (did you mean 'head_width'?);"),
        ("model.params.head_width=wide", "Model parameter head_width must be int, not str."),
        (
            "model.family=mobil",
            "Unknown model family mobil; the known ones are hrnet, deeplab, mobile, lite.",
        ),
        ("data.growing=[[4, [64, 64]], [2, [32, 32]]]", "data.growing must name epochs in rising order"),
        ("data.growing=[[10, [64, 64]]]", "rising order, all below epochs."),
        ("batch_siz=2", "there is no 'batch_siz' (did you mean 'batch_size'?)."),
        ("zzz=2", "starter: there is no 'zzz'."),
        ("batch_size=many", "starter: batch_size: Input should be a valid integer"),
        ("epoch_samples=3", "starter: Value error, epoch_samples must be at least batch_size."),
        ("optimiser.learning_rate=.inf", "optimiser.learning_rate"),
        ("batch_size", "An override has the form name=value, such as batch_size=8, not 'batch_size'."),
        ("batch_size.x=1", "'batch_size' in 'batch_size.x=1' has no parts."),
        ("batch_size=[", "The value in 'batch_size=[' is not YAML."),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(override: str, sentence: str) -> None:
    with pytest.raises(TrainingError) as refusal:
        load_recipe("starter", [override])
    assert sentence in str(refusal.value)


def test_what_is_no_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no recipe 'startr' \(did you mean 'starter'\?\); known ones"):
        load_recipe("startr")
    with pytest.raises(TrainingError, match="cannot be read: No such file"):
        load_recipe(str(tmp_path / "none.yaml"))
    for text in ("- 1", "a: [", "!!python/object:os.system x"):
        (tmp_path / "odd.yaml").write_text(text)
        with pytest.raises(TrainingError, match="is not a recipe in YAML"):
            load_recipe(str(tmp_path / "odd.yaml"))


def test_a_network_that_there_is_not_is_refused() -> None:
    with pytest.raises(TrainingError, match="Unknown model family vgg"):
        make_model(load_recipe("starter", ["model.family=vgg"]))
    with pytest.raises(TrainingError, match="bundled is another model than the recipe's: see family"):
        make_model(load_recipe("starter", ["model.family=hrnet", "model.weights=bundled"]))


@pytest.mark.parametrize(
    ("old", "new"), [(old, new) for old, new in RENAMED.items() if not old.startswith("data.validation")]
)
def test_old_names_are_read_with_a_warning_that_tells_the_new_one(old: str, new: str) -> None:
    *parts, key = old.split(".")
    value: object = {key: 1 if key == "corrective" else 0.5}
    for part in reversed(parts):
        value = {part: [value] if part == "sources" else value}
    text = yaml.safe_dump({"name": "old", "model": {"family": "mobile"}, **value})

    with pytest.warns(FutureWarning, match=f"{old} is now called {new}"):
        recipe = parse_recipe(text, "old.yaml")

    found: object = recipe.model_dump()
    for part in new.split("."):
        found = found[0] if isinstance(found, tuple) else found
        found = found[part]
    assert found == (1 if key == "corrective" else 0.5)


def test_old_names_in_overrides_are_read_with_a_warning() -> None:
    with pytest.warns(FutureWarning, match="--set: optimiser.average is now called optimiser.ema_decay"):
        assert load_recipe("starter", ["optimiser.average=0.5"]).optimiser.ema_decay == 0.5
