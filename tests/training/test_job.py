"""What a job decides, without Redis: a model that is no better, the same labels again, and a lost race."""

from __future__ import annotations

import json
import re
import shutil
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import get_args

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from team import tiny_model

from ritm_model.checkpoints import bundled_model_path, load_model, save_model
from ritm_ops.jobs.protocol import Outcome
from ritm_ops.object_store import open_store
from ritm_ops.registry import Registry
from ritm_ops.registry.filmstrips import read_filmstrips
from ritm_ops.registry.trials import Trials
from training.job import Base, Ending, Order, finetune, in_half, publish
from training.ledger import Ledger, work_folder
from training.progress import LOG_LINES, Progress
from training.reports.filmstrips import chosen
from training.settings import TrainingSettings


def ended(settings: TrainingSettings, job_id: str) -> tuple[Ending, Progress]:
    with work_folder(settings.folder, job_id) as folder:
        progress = Progress(folder / "log.txt")
        return finetune(Order(job_id, settings.source_uri), settings, folder, progress), progress


def done(settings: TrainingSettings, job_id: str) -> tuple[str, Progress]:
    """The sentence that a job ends with which makes nothing live."""
    ending, progress = ended(settings, job_id)
    assert ending.version is None
    return ending.message, progress


@pytest.mark.slow
def test_what_is_no_better_is_not_published_and_not_tried_again(settings: TrainingSettings) -> None:
    message, progress = done(settings, "first")
    assert progress.report.outcome == "not better"
    assert message.startswith("Not published: it is not certain that it fell; NoC@90 changed by ")
    assert progress.report.progress == 1.0
    assert progress.report.metrics.keys() == {"before", "after"}
    assert Registry(open_store(settings.registry_uri)).versions("ritm") == ()
    folder = settings.folder / "first"
    report = json.loads((folder / "report.json").read_text())
    assert report["data"]["learnt_images"] + report["data"]["held_out_images"] == 40
    assert json.loads((folder / "conversion.json").read_text())
    assert not (folder / "data").exists()

    again, progress = done(settings, "second")
    assert progress.report.outcome == "nothing new"
    assert again == f"Nothing has changed since job first. {message}"
    assert progress.report.metrics == {}


@pytest.mark.slow
@pytest.mark.parametrize("remembered", [True, False])
def test_a_rollback_stands(settings: TrainingSettings, remembered: bool) -> None:
    """Whether the next job finds out at once or, on another machine, after it has learnt the same again."""
    settings = settings.model_copy(update={"margin": -20})
    registry = Registry(open_store(settings.registry_uri))
    first = registry.publish("ritm", bundled_model_path(), {})
    registry.promote("ritm", first, None)
    learnt = ended(settings, "first")[0].version
    assert learnt is not None
    registry.rollback("ritm", by="bob", why="odd masks")
    if not remembered:
        shutil.rmtree(settings.folder)
    message, progress = done(settings, "second")
    assert f"{learnt} was rolled back by bob on " in message
    assert message.endswith(" (odd masks).")
    assert message.startswith("Nothing has changed since job first. " if remembered else "Not published: ")
    assert progress.report.outcome == ("nothing new" if remembered else "refused")
    assert bool(progress.report.metrics) is not remembered
    assert [change.version for change in registry.history("ritm")] == [first, learnt, first]

    # Who promotes it by hand takes the decision back.
    registry.promote("ritm", learnt, first)
    registry.promote("ritm", first, learnt)
    assert ended(settings, "third")[0].version == learnt


@pytest.mark.slow
@pytest.mark.parametrize("decision", ["approved", "rejected"])
def test_a_candidate_waits_for_people(settings: TrainingSettings, decision: str) -> None:
    settings = settings.model_copy(update={"margin": -20, "publishing": "approve"})
    registry = Registry(open_store(settings.registry_uri))
    message, progress = done(settings, "first")
    assert progress.report.outcome == "candidate"
    (candidate,) = (manifest.version for manifest in registry.candidates("ritm"))
    assert message.startswith(f"{candidate} waits for `ritm models approve ritm {candidate}`. NoC@90 changed")
    assert registry.report("ritm", candidate)["job"] == "first"
    (drawn,) = json.loads(read_filmstrips(open_store(settings.registry_uri), "ritm", candidate) or b"")[
        "objects"
    ]
    for strip in (drawn["before"], drawn["after"]):
        sizes = {Image.open(BytesIO(b64decode(frame["picture"]))).size for frame in strip["frames"]}
        assert len(sizes) == 1, "a strip shows one part of the picture"
        assert strip["frames"][0]["click"] == 1
    waiting = f"Nothing has changed since job first. {candidate} waits for a decision."
    assert done(settings, "second")[0] == waiting
    assert registry.live("ritm") is None
    if decision == "approved":
        registry.approve("ritm", candidate)
        live = registry.live("ritm")
        assert live is not None
        assert live.version == candidate
    else:
        registry.reject("ritm", candidate, by="anna")
        for mode in ("approve", "automatic"):
            message, progress = done(settings.model_copy(update={"publishing": mode}), f"then {mode}")
            assert progress.report.outcome == "nothing new"
            assert f"{candidate} was rejected by anna on " in message
        assert registry.live("ritm") is None
    assert registry.candidates("ritm") == ()


@pytest.mark.parametrize(
    ("changes", "most", "expected"),
    [([-3, 4, 0, 2], 6, [1, 3, 2, 0]), ([-3, 4, 0, 2, -1], 3, [1, 3, 0]), ([-3, 4, 0, 2, -1], 2, [1, 0])],
)
def test_filmstrips_show_what_has_changed_most(changes: list[float], most: int, expected: list[int]) -> None:
    assert chosen(changes, most) == expected


def test_too_few_labels_end_the_job(settings: TrainingSettings) -> None:
    ending, progress = ended(settings.model_copy(update={"least_objects": 1000}), "few")
    assert ending.outcome == progress.report.outcome == "too few labels"
    assert ending.message.startswith("There are too few labels: 40 images have ")
    assert not (settings.folder / "few/data").exists()


def test_tasks_that_nobody_has_annotated_end_the_job(settings: TrainingSettings, tmp_path: Path) -> None:
    tasks = [{"id": 1, "data": {"image": "1.png"}, "annotations": []}]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    ending, _ = ended(settings.model_copy(update={"source": str(tmp_path / "tasks.json")}), "none")
    assert ending.outcome == "too few labels"
    assert ending.message.startswith("There is nothing to take from ")


def test_a_version_that_became_live_meanwhile_stays_live(settings: TrainingSettings, tmp_path: Path) -> None:
    store = open_store(settings.registry_uri)
    registry = Registry(store)
    other = registry.publish("ritm", bundled_model_path(), {})
    registry.promote("ritm", other, None)
    mine = tiny_model(tmp_path / "mine.safetensors", seed=1)
    ending = publish(
        store,
        settings,
        mine,
        Base("old", "", None),
        {"decision": "Better."},
        Order("job", "x"),
    )
    assert ending.version is None
    assert ending.outcome == "superseded"
    assert "another version became live while the job ran" in ending.message
    live = registry.live("ritm")
    assert live is not None
    assert live.version == other
    now_live = Base("", "", other)
    ending = publish(store, settings, mine, now_live, {"decision": "Better."}, Order("job", "x"))
    assert ending.version is not None
    # Done twice, as after a kill between publishing and noting it, it is the same.
    again = publish(store, settings, mine, now_live, {"decision": "Better."}, Order("job", "x"))
    assert again == ending
    assert len(registry.history("ritm")) == 2


@pytest.mark.parametrize("mode", ["shadow", "canary"])
def test_a_candidate_is_put_on_trial(
    settings: TrainingSettings, tmp_path: Path, base: Path, mode: str
) -> None:
    store = open_store(settings.registry_uri)
    registry = Registry(store)
    live = registry.publish("ritm", base, {})
    registry.promote("ritm", live, None)
    trying = settings.model_copy(update={"publishing": mode, "trial_objects": 40})
    mine = tiny_model(tmp_path / "mine.safetensors", seed=1)
    for _ in range(2):  # also where the job was killed before it could note its end
        ending = publish(store, trying, mine, Base("", "", live), {"decision": "Better."}, Order("job", "x"))
        assert (ending.outcome, ending.version) == ("candidate", None)
        assert "40" in ending.message
    trial = Trials(store).running("ritm")
    assert trial is not None
    assert (trial.kind, trial.against, trial.share, trial.objects) == (mode, live, 0.2, 40)
    another = tiny_model(tmp_path / "another.safetensors", seed=2)
    ending = publish(store, trying, another, Base("", "", live), {"decision": "Better."}, Order("job", "x"))
    assert f"is not on trial ({trial.version} is on trial already" in ending.message
    assert Trials(store).running("ritm") == trial


def test_what_is_published_is_in_half_precision_where_that_holds_it(tmp_path: Path) -> None:
    full = tiny_model(tmp_path / "full.safetensors")
    half = in_half(full)
    kinds = {tensor.dtype for tensor in load_file(half).values() if tensor.is_floating_point()}
    assert kinds == {torch.float16}
    model = load_model(full)
    next(model.parameters()).data[0] = 1e6
    save_model(full, model)
    assert in_half(full) == full


def test_a_stage_is_done_once(tmp_path: Path) -> None:
    found = iter([{"a": 1}, {"a": 2}])
    assert Ledger(tmp_path).once("stage", lambda: next(found)) == {"a": 1}
    assert Ledger(tmp_path).once("stage", lambda: next(found)) == {"a": 1}

    def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Ledger(tmp_path).once("other", fails)
    assert Ledger(tmp_path).once("other", lambda: next(found)) == {"a": 2}


def test_the_log_keeps_its_last_lines(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "log.txt")
    for number in range(LOG_LINES + 20):
        progress.say(f"line {number}")
    assert len(progress.report.log) == LOG_LINES
    assert progress.report.log[-1].endswith(f"line {LOG_LINES + 19}")
    assert len((tmp_path / "log.txt").read_text().splitlines()) == LOG_LINES + 20


def test_the_docs_name_every_outcome() -> None:
    page = (Path(__file__).parents[2] / "docs/finetuning.md").read_text()
    section = page.partition("## How does a job end?\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\* `([^`]+)`: ", section, flags=re.MULTILINE) == list(get_args(Outcome))
