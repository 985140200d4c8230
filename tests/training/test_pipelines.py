"""A file of pipelines is read whole or refused with a sentence, and no process works for another pipeline."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ritm_model.cli.main import ritm
from ritm_model.errors import RitmError
from ritm_ops.pipelines import PipelineError
from training.pipelines.fields import PipelineFields
from training.pipelines.file import chosen, only_one, pipelines_of
from training.pipelines.serving import check_source, served, serving
from training.settings import TrainingSettings

PAGE = Path(__file__).parents[2] / "docs/finetuning.md"
FILE = """
x-common: &common
  registry: s3://models
  publishing: approve
pipelines:
  cells:
    <<: *common
    source: s3://labels/cells
    whose: reviewed
    changes: [epochs=10]
    schedule: 0 2 * * *
  roads:
    <<: *common
    source: s3://labels/roads
    model: streets
"""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, _ in TrainingSettings.variables():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def settings_of(text: str, **more: object) -> TrainingSettings:
    Path("teams.yaml").write_text(text)
    return TrainingSettings(pipelines="teams.yaml", **more)


def said(*words: str) -> Result:
    return CliRunner().invoke(ritm, ["pipelines", *words])


def test_each_pipeline_is_what_the_file_says(tmp_path: Path) -> None:
    found = pipelines_of(settings_of(FILE, folder=tmp_path, source="s3://elsewhere", margin=3))
    assert list(found) == ["cells", "roads"]
    cells, roads = found.values()
    assert (cells.pipeline, cells.source, cells.model) == ("cells", "s3://labels/cells", "cells")
    assert (cells.whose, cells.changes, cells.schedule) == ("reviewed", ("epochs=10",), "0 2 * * *")
    assert (roads.pipeline, roads.source, roads.model) == ("roads", "s3://labels/roads", "streets")
    assert (roads.whose, roads.changes, roads.schedule) == ("newest", (), None)
    for settings in found.values():
        assert (settings.registry, settings.publishing) == ("s3://models", "approve")
        assert settings.folder == tmp_path  # the process's own
        assert settings.margin == 0  # what describes a pipeline is in the file alone


def test_the_registry_may_be_that_of_the_environment() -> None:
    text = "pipelines: {cells: {source: a}, roads: {source: b, registry: s3://other}}"
    found = pipelines_of(settings_of(text, registry="s3://models"))
    assert [settings.registry for settings in found.values()] == ["s3://models", "s3://other"]


def test_without_a_file_the_environment_is_the_only_pipeline() -> None:
    settings = TrainingSettings(source="s3://labels")
    assert pipelines_of(settings) == {"default": settings}
    named = TrainingSettings(source="s3://labels", pipeline="cells")
    assert pipelines_of(named) == chosen(named) == {"cells": named}
    assert only_one(named) == named


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("whose:", "whos:", "cells: there is no 'whos' (did you mean 'whose'?)."),
        ("reviewed", "','", "cells: 'whose' Whose work counts is "),
        ("0 2 * * *", "daily", "cells: 'schedule' must have the five fields of cron"),
        ("approve", "aprove", "cells: 'publishing' should be 'automatic', 'approve', 'shadow' or 'canary'."),
        ("source: s3://labels/roads", "boxes: true", "roads: 'source' is missing."),
        ("source: s3://labels/roads", "source: ''", "roads: 'source' "),
        ("source: s3://labels/roads", "RITM_FINETUNE_NAME: x", "roads: there is no 'RITM_FINETUNE_NAME'"),
        (
            "model: streets",
            "model: cells",
            "cells and roads both publish cells; give each a model of its own.",
        ),
        ("model: streets", "{registry: s3://models/}", " is not YAML: line "),
        ("model: streets", "1: 2", "roads: '1' Keys should be strings."),
        ("pipelines:", "pipeline:", "there is no 'pipeline' (did you mean 'pipelines'?)."),
        ("roads:", "cells:", " is not YAML: line 12: 'cells' stands there twice."),
        ("roads:", "a b:", "'a b' cannot name a pipeline: "),
        ("roads:", "7:", "'7' cannot name a pipeline: "),
        (FILE, "", " must have the key 'pipelines'"),
        (FILE, "pipelines: []", " must have the key 'pipelines'"),
        (FILE, "pipelines: {cells: }", "cells must have keys of its own"),
    ],
)
def test_what_is_wrong_is_a_sentence_that_says_where(old: str, new: str, problem: str) -> None:
    settings = settings_of(FILE.replace(old, new))
    with pytest.raises(PipelineError) as caught:
        pipelines_of(settings)
    sentence = str(caught.value)
    assert sentence.startswith("teams.yaml")
    assert problem in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_a_slash_makes_no_other_registry() -> None:
    text = "pipelines: {a: {source: x, model: m}, b: {source: y, model: m, registry: s3://models/}}"
    with pytest.raises(PipelineError, match="a and b both publish m"):
        pipelines_of(settings_of(text, registry="s3://models"))


def test_a_file_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(PipelineError, match="none.yaml cannot be read: No such file"):
        pipelines_of(TrainingSettings(pipelines="none.yaml"))


def test_pipelines_are_chosen_by_name() -> None:
    settings = settings_of(FILE)
    assert list(chosen(settings)) == ["cells", "roads"]
    assert list(chosen(settings, ["roads"])) == ["roads"]
    assert list(chosen(settings_of(FILE, pipeline="roads"))) == ["roads"]
    assert only_one(settings_of(FILE, pipeline="roads")).model == "streets"
    with pytest.raises(
        PipelineError, match=r"'cels' \(did you mean 'cells'\?\); known ones are cells, roads\."
    ):
        chosen(settings, ["roads", "cels"])
    with pytest.raises(PipelineError, match=r"several pipelines \(cells, roads\); name one of them"):
        only_one(settings)


def test_a_process_does_the_jobs_of_its_pipeline_only(monkeypatch: pytest.MonkeyPatch) -> None:
    cells, roads = pipelines_of(settings_of(FILE)).values()
    with serving(cells):
        assert served("ritm-finetune:cells") == cells
        with pytest.raises(PipelineError, match="of the pipeline cells and does no jobs of the queue ritm-f"):
            served("ritm-finetune:roads")
        with serving(roads):
            assert served("ritm-finetune:roads") == roads
    # One of RQ's own workers has the environment only.
    assert served("ritm-finetune") == TrainingSettings()
    with pytest.raises(PipelineError, match="of the pipeline default "):
        served("ritm-finetune:cells")
    monkeypatch.setenv("RITM_PIPELINES", "teams.yaml")
    with pytest.raises(PipelineError, match="several pipelines"):
        served("ritm-finetune:cells")
    monkeypatch.setenv("RITM_FINETUNE_PIPELINE", "cells")
    assert served("ritm-finetune:cells").source == "s3://labels/cells"


def test_labels_of_others_are_refused() -> None:
    settings = TrainingSettings(source="s3://labels/cells/")
    check_source(settings, "s3://labels/cells")
    check_source(TrainingSettings(), "s3://labels/roads")
    with pytest.raises(
        PipelineError, match=r"default learns from s3://labels/cells/ and not from s3://labels/r"
    ):
        check_source(settings, "s3://labels/roads")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("epochs=10", "epcohs=10", "cells: finetune: there is no 'epcohs' (did you mean 'epochs'?)."),
        ("0 2 * * *", "0 25 * * *", "cells: 'schedule' must have the five fields of cron"),
        ("model: streets", "labeling_config: none.xml", "roads: there is no file none.xml."),
    ],
)
def test_check_finds_what_jobs_would_find(old: str, new: str, problem: str) -> None:
    Path("teams.yaml").write_text(FILE)
    assert said("check", "teams.yaml").stdout == "teams.yaml: nothing is wrong with cells, roads.\n"
    Path("teams.yaml").write_text(FILE.replace(old, new))
    result = said("check", "teams.yaml")
    assert isinstance(result.exception, RitmError)  # which the program prints
    assert str(result.exception).startswith(f"teams.yaml: {problem}")


def test_list_shows_the_pipelines() -> None:
    Path("teams.yaml").write_text(FILE)
    rows = [line.split() for line in said("list", "teams.yaml").stdout.splitlines()]
    assert rows[1] == ["cells", "cells", "s3://labels/cells", "approve", "0", "2", *"***"]
    assert rows[2] == ["roads", "streets", "s3://labels/roads", "approve", "-"]
    found = json.loads(said("list", "teams.yaml", "--json").stdout)
    assert found["cells"].keys() == set(PipelineFields.model_fields)
    assert found["roads"]["model"] == "streets"


def test_the_page_names_every_key_and_shows_a_file_that_is_right() -> None:
    section = PAGE.read_text().partition("## How do several teams share it?\n")[2].partition("\n## ")[0]
    keys = re.findall(r"`(\w+)`", section.partition("Its keys are")[2].partition("\n\n")[0])
    assert keys == ["source", *(key for key in PipelineFields.model_fields if key != "source")]
    (shown,) = re.findall(r"```yaml\n(.*?)```", section, flags=re.DOTALL)
    assert len(pipelines_of(settings_of(shown))) == 2
    example = PAGE.parents[1] / "docker/pipelines/example.yaml"
    assert len(pipelines_of(TrainingSettings(pipelines=example))) == 2
