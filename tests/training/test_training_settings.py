"""The environment becomes settings, or a sentence that names the variable; the documentation has them all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ritm_ops.environment import SettingsError
from training.settings import TrainingSettings

PAGE = Path(__file__).parents[2] / "docs/finetuning.md"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, _ in TrainingSettings.variables():
        monkeypatch.delenv(name, raising=False)


def shown(default: object) -> str:
    if default in (None, ()):
        return ""
    if isinstance(default, tuple):
        return f"`{','.join(map(str, default))}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def test_the_page_lists_every_variable_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text(), flags=re.MULTILINE))
    described = dict(TrainingSettings.variables())
    assert rows.keys() == described.keys()
    for (name, text), field in zip(described.items(), TrainingSettings.model_fields.values(), strict=True):
        assert rows[name] == f"{shown(field.default)} | {text}", f"docs/finetuning.md is behind for {name}"


def test_values_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "RITM_REDIS_URL": "redis://:secret@host/1",
        "RITM_FINETUNE_CHANGES": "epochs=2; data.crop=[32, 48];",
        "RITM_FINETUNE_PAUSES": "1, 2",
        "RITM_FINETUNE_SCHEDULE": "0 2 * * 1-5",
        "RITM_DEVICE": "cuda:1",
        "RITM_FINETUNE_MARGIN": "",
    }.items():
        monkeypatch.setenv(name, value)
    found = TrainingSettings.from_environment()
    assert found.redis == "redis://:secret@host/1"
    assert found.changes == ("epochs=2", "data.crop=[32, 48]")
    assert found.pauses == (1, 2)
    assert found.schedule == "0 2 * * 1-5"
    assert found.device == "cuda"
    assert found.margin == 0
    assert "secret" not in repr(found)


@pytest.mark.parametrize(("today", "counts"), [("", "old.example"), ("new.example", "new.example")])
def test_an_old_name_is_read_and_warned_of(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder, today: str, counts: str
) -> None:
    monkeypatch.setenv("RITM_ALLOWED_HOSTS", today)
    TrainingSettings.from_environment()
    assert not recwarn.list
    monkeypatch.setenv("RITM_FINETUNE_IMAGE_HOSTS", "old.example")
    with pytest.warns(FutureWarning, match="RITM_FINETUNE_IMAGE_HOSTS is now called RITM_ALLOWED_HOSTS"):
        found = TrainingSettings.from_environment()
    assert found.picture_access.allowed_hosts == (counts,)


def test_a_wrong_value_under_an_old_name_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RITM_FINETUNE_IMAGE_HOSTS", "http://old")
    with pytest.warns(FutureWarning), pytest.raises(SettingsError, match="RITM_ALLOWED_HOSTS"):
        TrainingSettings.from_environment()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RITM_FINETUNE_HELD_OUT", "1"),
        ("RITM_FINETUNE_PROCESSES", "0"),
        ("RITM_FINETUNE_SCHEDULE", "daily"),
        ("RITM_FINETUNE_PAUSES", "soon"),
        ("RITM_FINETUNE_NAME", "a/b"),
        ("RITM_DEVICE", "tpu"),
    ],
)
def test_wrong_values_are_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        TrainingSettings.from_environment()


def test_what_is_missing_is_named_when_it_is_needed() -> None:
    found = TrainingSettings.from_environment()
    for need, name in (
        (lambda: found.redis, "RITM_REDIS_URL"),
        (lambda: found.registry_uri, "RITM_REGISTRY"),
        (lambda: found.source_uri, "RITM_FINETUNE_SOURCE"),
    ):
        with pytest.raises(SettingsError, match=f"{name} is not set"):
            need()
