"""Each way to deploy is built once."""

from __future__ import annotations

import pytest
from kustomized import VARIANTS, Manifests, kustomized


@pytest.fixture(scope="session", params=VARIANTS)
def manifests(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    """Everything that kustomize makes."""
    return kustomized(request.param, tmp_path_factory.mktemp("kustomize"))
