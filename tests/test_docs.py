"""What the documentation says is held against the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ritm_model
from cvat_serverless.settings import CvatSettings
from ritm_backend.connect.config import recommended_config
from ritm_backend.settings import Settings
from training.settings import TrainingSettings

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def test_the_settings_page_lists_every_variable_with_its_default() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page, flags=re.MULTILINE))
    described = dict(Settings.variables())
    assert rows.keys() == described.keys()
    for (name, text), field in zip(described.items(), Settings.model_fields.values(), strict=True):
        default = field.default
        shown = (
            ""
            if default in (None, ())
            else f"`{default:g}`"
            if isinstance(default, float)
            else f"`{default}`"
        )
        assert rows[name] == f"{shown} | {text}", f"docs/settings.md is behind for {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_variables_named_anywhere_exist(page: Path) -> None:
    known = {name for name, _ in Settings.variables()} | {"RITM_MODELS", "RITM_MODEL_MIRROR"}
    known |= {name.upper() for name in CvatSettings.model_fields}
    known |= {name for name, _ in TrainingSettings.variables()}
    for settings in (Settings, TrainingSettings):
        for field, (name, _) in zip(settings.model_fields.values(), settings.variables(), strict=True):
            if "SecretStr" in str(field.annotation):
                known.add(f"{name}_FILE")
    named = set(re.findall(r"\bRITM_[A-Z_]+\b", page.read_text()))
    assert named <= known, f"{page.name} names unknown variables"


def test_the_label_studio_page_shows_the_recommended_configuration() -> None:
    (shown,) = re.findall(
        r"```xml\n(.*?)```", (ROOT / "docs" / "label_studio.md").read_text(), flags=re.DOTALL
    )
    assert shown.strip() == recommended_config(["Cat", "Dog"]).strip()


def test_the_reference_has_every_name_of_the_library() -> None:
    pages = "".join(page.read_text() for page in (ROOT / "docs" / "reference").glob("*.md"))
    described = {path.rpartition(".")[2] for path in re.findall(r"^::: ([\w.]+)$", pages, re.MULTILINE)}
    assert set(ritm_model.__all__) <= described
