"""Fixtures with real servers. Every test of this folder is marked `e2e`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from backend import ritm_serve
from label_studio_server import (
    LEGACY_TOKEN,
    LOCAL_BACKENDS,
    LabelStudio,
    label_studio,
    prepare_template,
)
from processes import Server

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def template(request: pytest.FixtureRequest) -> Path:
    """A migrated Label Studio folder, kept between runs beside pytest's other caches."""
    assert request.config.cache is not None
    pinned = (HERE.parent / "requirements/label-studio.txt").read_text()
    version = next(line for line in pinned.splitlines() if line.startswith("label-studio=="))
    folder = request.config.cache.mkdir("label-studio") / version.partition("==")[2]
    prepare_template(folder)
    return folder


@pytest.fixture(scope="session")
def studio(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    """Label Studio set up as the README asks: local backends allowed, legacy tokens accepted too."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        (
            tmp_path_factory.getbasetemp().parent / "studio"
        ).mkdir()  # fails where another process starts one too
    with label_studio(template, tmp_path_factory.mktemp("studio"), LOCAL_BACKENDS, legacy=True) as running:
        yield running


@pytest.fixture(scope="module")  # of the one module that asks for it: each takes memory
def default_studio(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    """Label Studio as it comes: no local backends, no legacy tokens."""
    with label_studio(template, tmp_path_factory.mktemp("default"), {}, legacy=False) as running:
        yield running


@pytest.fixture(scope="session")
def backend(studio: LabelStudio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The backend for `studio`, with a personal access token."""
    access = {"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": studio.personal_token}
    with ritm_serve(tmp_path_factory.mktemp("backend"), access) as running:
        yield running


@pytest.fixture(scope="session")
def legacy_backend(studio: LabelStudio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The backend for `studio`, with a legacy token."""
    access = {"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": LEGACY_TOKEN}
    with ritm_serve(tmp_path_factory.mktemp("legacy-backend"), access) as running:
        yield running
