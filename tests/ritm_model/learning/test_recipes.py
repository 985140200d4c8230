"""Recipes are typed: what they say is checked, and what is unknown is an error with a suggestion."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ritm_model.learning.data import make_samples
from ritm_model.learning.errors import TrainingError
from ritm_model.learning.opening import open_data
from ritm_model.learning.pack import PackEntry, PackObject
from ritm_model.learning.recipes import load_recipe, parse_recipe, recipe_names, recipe_yaml
from ritm_model.learning.starting import make_model

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
    make_model(recipe)
    make_samples(recipe, ())


def test_the_starter_learns_from_nothing_that_may_not_be_published(tmp_path: Path) -> None:
    recipe = load_recipe("starter")
    everything = [
        PackEntry(image=f"{kind}{i}.jpg", mask="", license_class=kind, objects=(PackObject(id=1, area=0.5),))
        for kind in (*PUBLISHABLE, "research-only", "unclear", "")
        for i in range(30)
    ]
    write_manifest(tmp_path, everything)
    found = open_data(recipe, tmp_path)
    learning = {photograph.name for source in found.sources for photograph in source.photographs}
    kept_out = {photograph.name for photograph in found.kept_out}
    allowed = {entry.image for entry in everything if entry.license_class in PUBLISHABLE}
    assert learning | kept_out == allowed
    assert kept_out
    assert not learning & kept_out
    write_manifest(tmp_path, everything[-30:])
    with pytest.raises(TrainingError, match="Nothing is left to learn from"):
        open_data(recipe, tmp_path)


def write_manifest(folder: Path, entries: list[PackEntry]) -> None:
    content = {"samples": [entry.model_dump() for entry in entries]}
    (folder / "manifest.json").write_text(json.dumps(content))


def test_overrides_change_the_recipe() -> None:
    recipe = load_recipe("starter", ["batch_size=3", "optimiser.clip_norm=null", "data.crop=[64, 80]"])
    assert (recipe.batch_size, recipe.optimiser.clip_norm, recipe.data.crop) == (3, None, (64, 80))
    assert recipe.epoch_steps == 2000 // 3


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("optimiser.learning_rat=1", "there is no 'optimiser.learning_rat' (did you mean 'learning_rate'?)."),
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
        make_model(load_recipe("starter", ["model.weights=bundled"]))
