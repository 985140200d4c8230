"""A backend without a model: nothing here needs one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from ritm_backend.app import create_app
from ritm_backend.model_host import ModelHost
from ritm_backend.settings import Settings
from ritm_ops.pictures import PictureFetcher


@pytest.fixture
def client_with() -> Callable[..., FlaskClient]:
    """Makes a client of a backend with such settings."""

    def make(**settings: object) -> FlaskClient:
        chosen = Settings(**settings)
        host = ModelHost(lambda: pytest.fail("no model is needed"), "none")
        return create_app(chosen, host, PictureFetcher(chosen.picture_access)).test_client()

    return make
