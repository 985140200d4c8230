"""`ritm train` and `ritm recipes`: where data lies, what weights start from, and what breaks on the way."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from ritm_model.checkpoints import TrainingCard, load_model, read_card, save_model
from ritm_model.cli.main import ritm
from ritm_model.errors import RitmError
from ritm_model.learning.data import make_samples
from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.loop.starting import make_model
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.recipes import Recipe, load_recipe, parse_recipe
from ritm_model.learning.step.step import Batch

NETWORK = (
    "{width: 2, ocr_width: 4, small: true, with_aux_output: true, with_prev_mask: true, use_rgb_conv: false, "
    "use_disks: true, norm_radius: 5}"
)
SHORT = (
    "data.crop=[32, 48]",
    "data.min_area=20",
    "validation={objects: 2, clicks: 2}",
    "batch_size=2",
    "epochs=2",
    "epoch_samples=4",
    "checkpoint_steps=1",
    "log_steps=2",
    "optimiser.warmup=0",
    "device=cpu",
)


def train(recipe: str, out: Path, *words: str, overrides: tuple[str, ...] = ()) -> Result:
    changes = [word for override in (*SHORT, *overrides) for word in ("--set", override)]
    return CliRunner().invoke(ritm, ["train", recipe, "--out", str(out), *words, *changes])


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A small model to go on with."""
    model = make_model(parse_recipe(f"{{name: x, model: {{family: hrnet, params: {NETWORK}}}}}", "x"))
    save_model(tmp_path / "base.safetensors", model, TrainingCard())
    return tmp_path / "base.safetensors"


def test_lite_further_gives_a_model_of_lite_a_fine_head_and_shows_it_thin_objects(
    pack: Path, tmp_path: Path
) -> None:
    path = tmp_path / "lite.safetensors"
    save_model(
        path,
        make_model(parse_recipe("{name: x, model: {family: lite, params: {head_width: 8}}}", "x")),
        TrainingCard(),
    )
    changes = (f"model.weights={path}", "data.licence_classes=null", "data.growing=[]", "epochs=1")
    result = train("lite-further", tmp_path / "run", "--data", str(pack), overrides=changes)
    assert result.exit_code == 0, result.output
    assert "new are feature_extractor.fine.details" in result.output
    params = load_model(tmp_path / "run" / "model.safetensors").params
    assert (params["head_width"], params["fine_width"]) == (8, 32)


@pytest.mark.slow
def test_a_model_is_fine_tuned_on_a_folder_with_older_data_replayed(
    base: Path, pack: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    changes = (f"model.weights={base}", f"data.replay.folder={pack}", "data.validation_share=0.3")
    done = train("finetune", out, "--data", str(pack), overrides=changes)
    assert done.exit_code == 0, done.output
    assert f"The weights start from {base}." in done.output
    assert f"The model is {out / 'model.safetensors'}." in done.output
    before, after = load_model(base), load_model(out / "model.safetensors")
    assert after.params == before.params
    moved = [
        key
        for key, value in after.state_dict().items()
        if value.is_floating_point() and not torch.equal(value, before.state_dict()[key])
    ]
    assert len(moved) > 0.5 * len(before.state_dict())
    assert read_card(out / "model.safetensors").training.recipe == "finetune"


def test_fine_tuning_is_gentle() -> None:
    gentle, starter = load_recipe("finetune"), load_recipe("starter")
    assert gentle.optimiser.learning_rate <= 0.1 * starter.optimiser.learning_rate
    assert gentle.epochs < starter.epochs
    assert gentle.data.replay.share > 0


@pytest.mark.filterwarnings("error")
def test_the_two_commands_of_the_readme_learn_from_masks_of_ones_own(
    painter, empty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they stand there, but for --set; the photographs name no licence."""
    for name in "abcd":
        empty[5:20, 5:25], empty[22:28, 3:30] = 1, 2
        painter.image(f"images/{name}.jpg")
        painter.array(f"masks/{name}.png", empty)
    painter.root.rename(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    small = [word for change in (*SHORT, "data.workers=0") for word in ("--set", change)]
    for command, changes in (
        ("dataset from-masks photos/ cells/", ["--jobs", "1"]),
        ("train starter --data cells/ --out runs/first", small),
    ):
        assert f"ritm {command} " in readme
        done = CliRunner().invoke(ritm, [*command.split(), *changes])
        assert done.exit_code == 0, done.output
    assert load_model(tmp_path / "runs/first/model.safetensors").family == "mobile"


@pytest.mark.parametrize(
    ("family", "params", "learns"),
    [
        ("hrnet", NETWORK, False),
        ("deeplab", "{backbone: resnet34, deeplab_ch: 8, use_disks: true, norm_radius: 5}", False),
        ("mobile", "{}", True),
    ],
)
def test_single_samples_are_learnt_from_or_refused_in_a_sentence(
    pack: Path, tmp_path: Path, family: str, params: str, learns: bool
) -> None:
    changes = (f"model={{family: {family}, params: {params}, click_scale: null}}", "data.workers=0")
    single = (*changes, "batch_size=1", "epoch_samples=1", "epochs=1")
    done = train("starter", tmp_path / "run", "--data", str(pack), overrides=single)
    if learns:
        assert done.exit_code == 0, done.output
        return
    assert isinstance(done.exception, RitmError)
    assert f"family {family} cannot learn" in str(done.exception)
    assert "set batch_size to at least 2" in str(done.exception)
    assert not (tmp_path / "run").exists()


def test_recipes_of_named_data_sets_are_told_where_they_lie(painter, empty, tmp_path: Path) -> None:
    """A recipe of the paper, on a network that is small enough to learn here."""
    for name in ("a", "b"):
        grey = empty.copy()
        grey[5:20, 5:25] = 38
        painter.image(f"JPEGImages/{name}.jpg")
        painter.array(f"SegmentationObject/{name}.png", grey)
    painter.text("ImageSets/Segmentation/train.txt", "a\nb\n")
    painter.text("ImageSets/Segmentation/val.txt", "b\n")
    own = tmp_path / "own.yaml"
    own.write_text(
        "extends: hrnet18_ocr64_vocsbd\nname: own\n"
        "data: {sources: [{data: 'PascalVOC:train'}], validation: [{data: 'PascalVOC:val'}], workers: 0}\n"
        "model: {params: {width: 2, ocr_width: 4, small: true}}\n"
    )
    config = painter.text("config.yml", f"PASCALVOC_PATH: {painter.root}\n")
    for number, words in enumerate((("--data", f"PascalVOC={painter.root}"), ("--config", str(config)))):
        done = train(str(own), tmp_path / f"run{number}", *words)
        assert done.exit_code == 0, done.output
        assert "All weights start from random numbers." in done.output
    first, second = (
        load_model(tmp_path / f"run{number}/model.safetensors").state_dict() for number in (0, 1)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    nowhere = train(str(own), tmp_path / "run2")
    assert isinstance(nowhere.exception, RitmError)
    assert "Where is PascalVOC" in str(nowhere.exception)


def test_pretrained_weights_that_are_none_stop_before_anything_is_made(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "odd.pth").write_bytes(b"odd")
    network = ("model.family=hrnet", f"model.params={NETWORK}")
    words = ("--data", str(pack), "--pretrained", str(tmp_path / "odd.pth"))
    refused = train("starter", tmp_path / "run", *words, overrides=network)
    assert "odd.pth is not a PyTorch checkpoint" in str(refused.exception)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_mask_that_breaks_on_the_way_is_named_and_the_checkpoint_stays(pack: Path, tmp_path: Path) -> None:
    """With the file mended, the run goes on to the weights that it would have had."""
    data, whole = tmp_path / "data", tmp_path / "whole"
    shutil.copytree(pack, data)
    network = ("model.family=hrnet", f"model.params={NETWORK}", "data.licence_classes=null")
    changes = (*network, "data.source_weights={}", "data.validation_share=0", "data.workers=1")
    assert train("starter", whole, "--data", str(data), overrides=changes).exit_code == 0

    out = tmp_path / "run"
    mask = breaking_later(data, load_recipe("starter", [*SHORT, *changes]))
    mask.rename(mask.with_suffix(".away"))
    stopped = train("starter", out, "--data", str(data), overrides=changes)
    assert type(stopped.exception).__name__ == "TrainingError"
    allowed = "With it, 1 of 8 samples had to be drawn anew, and 0 may be (data.max_broken_share)."
    assert str(stopped.exception) == f"{mask}: The file is missing. {allowed}"
    kept = RunFolder(out).load_checkpoint()
    assert kept is not None
    assert 1 <= kept["step"] < 4
    mask.with_suffix(".away").rename(mask)
    assert train("starter", out, "--data", str(data), overrides=changes).exit_code == 0
    ours, theirs = RunFolder(out).load_checkpoint(), RunFolder(whole).load_checkpoint()
    assert ours is not None
    assert theirs is not None
    assert all(torch.equal(value, theirs["model"][key]) for key, value in ours["model"].items())


def breaking_later(data: Path, recipe: Recipe) -> Path:
    """A mask that the first batch of two does without, and a later one does not."""
    samples = make_samples(recipe, open_data(recipe, data).sources)
    for mask in sorted((data / "masks").iterdir()):
        mask.rename(mask.with_suffix(".away"))
        drawn = [samples[number] for number in range(8)]
        broken = [bool(isinstance(sample, Batch) and sample.broken) for sample in drawn]
        mask.with_suffix(".away").rename(mask)
        if any(broken) and not any(broken[:2]):
            return mask
    raise AssertionError("every mask is in the first batch, or in none")


def test_recipes_are_listed_and_explained() -> None:
    runner = CliRunner()
    listed = runner.invoke(ritm, ["recipes"]).output
    assert re.search(r"^hrnet32_cocolvis_itermask_3p +The paper's largest model", listed, re.MULTILINE)
    assert json.loads(runner.invoke(ritm, ["recipes", "--json"]).output).keys() >= {"starter", "finetune"}
    explained = runner.invoke(ritm, ["recipes", "finetune"]).output
    assert "# How much of what is learnt comes from there.\n    share: 0.3" in explained
    values = json.loads(runner.invoke(ritm, ["recipes", "finetune", "--json"]).output)
    assert values["optimiser"]["learning_rate"] == 0.0001
