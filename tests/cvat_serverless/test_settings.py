"""The environment of the function, and the table that documents it."""

from pathlib import Path

import pytest

from cvat_serverless.settings import CvatSettings
from ritm_ops.environment import SettingsError

DOCS = Path(__file__).parents[2] / "docs" / "cvat.md"


def test_everything_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CvatSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    settings = CvatSettings.from_environment()

    assert settings.ritm_model == "bundled"
    assert settings.ritm_cvat_answer == "shapes"
    assert not settings.ritm_cvat_confidence


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RITM_MODEL", "/models/ours.safetensors")
    monkeypatch.setenv("RITM_CVAT_ANSWER", "mask")
    monkeypatch.setenv("RITM_CVAT_CONFIDENCE", "true")

    settings = CvatSettings.from_environment()

    assert settings.ritm_model == "/models/ours.safetensors"
    assert settings.ritm_cvat_answer == "mask"
    assert settings.ritm_cvat_confidence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RITM_CVAT_ANSWER", "polygons"),
        ("RITM_CVAT_CACHE_MB", "0"),
        ("RITM_MIN_REGION_PIXELS", "-1"),
        ("RITM_CVAT_CONFIDENCE", "perhaps"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=f"^{name} should be"):
        CvatSettings.from_environment()


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CvatSettings.model_fields:
        monkeypatch.setenv(name.upper(), "")

    assert CvatSettings.from_environment() == CvatSettings.model_construct()


@pytest.mark.parametrize("name", CvatSettings.model_fields)
def test_every_variable_is_documented(name: str) -> None:
    assert f"`{name.upper()}`" in DOCS.read_text()
