"""Photographs that break while a run goes on are named, counted and left out, up to a limit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from tiny_recipe import SHORT

from ritm_model.checkpoints import TrainingCard
from ritm_model.errors import TrainingError
from ritm_model.learning.data import make_samples
from ritm_model.learning.loop.broken import BrokenFiles
from ritm_model.learning.loop.loop import load, train
from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.loop.trainer import Trainer
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.recipes import Recipe, load_recipe
from ritm_model.learning.step.step import Batch
from ritm_model.learning.validation import questions

TINY = (
    *SHORT,
    "model={family: mobile, params: {}, click_scale: null}",
    "data.paste_prob=0",
    "data.max_broken_share=0.5",
    "validation={objects: 4, clicks: 1}",
    "clicks.max_next_clicks=1",
    "log_steps=10",
    "device=cpu",
)


def tiny(*overrides: str) -> Recipe:
    return load_recipe("starter", [*TINY, *overrides])


@pytest.fixture
def own_pack(pack: Path, tmp_path: Path) -> Path:
    shutil.copytree(pack, tmp_path / "pack")
    return tmp_path / "pack"


@pytest.fixture
def gone(own_pack: Path) -> Path:
    """A photograph that some of the samples need; it is missing."""
    samples = make_samples(tiny(), open_data(tiny(), own_pack).sources)
    for source in samples.sources:
        for photograph in source.photographs:
            photograph.image.rename(photograph.image.with_suffix(".away"))
            drawn = [sample for number in range(8) if isinstance(sample := samples[number], Batch)]
            if sum(len(sample.broken) for sample in drawn) >= 2:
                return photograph.image
            photograph.image.with_suffix(".away").rename(photograph.image)
    raise AssertionError("every photograph is needed once at most")


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def state(folder: Path) -> dict[str, object]:
    found = RunFolder(folder).load_checkpoint()
    assert found is not None
    return found


def test_a_run_goes_on_without_it_and_a_run_in_pieces_is_the_same(
    own_pack: Path, gone: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(tiny(), own_pack, tmp_path / "whole")
    reason = f"{gone}: The file is missing."
    assert caplog.text.count(f"{reason} Other samples take the place of those that need it.") == 1
    named = [line for line in lines(tmp_path / "whole") if "broken" in line]
    assert [line["broken"] for line in named] == [[reason]]
    counted = BrokenFiles(**state(tmp_path / "whole")["broken"])  # type: ignore[arg-type]
    assert counted.reasons == (reason,)
    assert counted.samples >= 2

    samples = make_samples(tiny(), open_data(tiny(), own_pack).sources)
    first = Trainer(tiny(), RunFolder(tmp_path / "pieces"))
    first.folder.prepare(tiny(), first.world)
    for batch in load(tiny(), samples, 0):
        first.learn(batch)
        if first.step == 2:
            first.save()
            break
    train(tiny(), own_pack, tmp_path / "pieces")
    ours, theirs = state(tmp_path / "pieces"), state(tmp_path / "whole")
    assert ours["broken"] == theirs["broken"]
    weights = [each["model"] for each in (ours, theirs)]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])  # type: ignore[index, attr-defined]


def test_more_than_a_recipe_allows_stop_the_run(own_pack: Path, gone: Path, tmp_path: Path) -> None:
    allows_one = tiny("data.max_broken_share=0.125", "epochs=1")
    sentence = (
        rf"{gone.name}: The file is missing\. With it, \d of 8 samples had to be drawn anew, and 1 may be "
        r"\(data\.max_broken_share\)\."
    )
    with pytest.raises(TrainingError, match=sentence):
        train(allows_one, own_pack, tmp_path / "run")


def test_the_validation_does_without_what_breaks(
    own_pack: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = open_data(tiny(), own_pack)
    asked = questions(found.held_out, 4)
    trainer = Trainer(tiny(), RunFolder(tmp_path))
    gone = asked[0].photograph.image
    gone.unlink()
    left = sum(question.photograph.image != gone for question in asked)
    assert 0 < left < len(asked)
    trainer.finish_epoch(asked, TrainingCard())
    (line,) = lines(tmp_path)
    assert line["validation_objects"] == left
    assert f"{gone}: The file is missing. The validation does without it." in caplog.text
    for question in asked:
        question.photograph.image.unlink(missing_ok=True)
    with pytest.raises(TrainingError, match="No photograph of the validation split can be read"):
        trainer.finish_epoch(asked, TrainingCard())
    assert trainer.epoch == 1
