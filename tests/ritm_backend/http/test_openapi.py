"""The server describes itself and keeps to it, whatever is sent: no 500, no traceback, no other answers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ritm_backend.app import create_app
from ritm_backend.connect.config import recommended_config
from ritm_backend.model_host import ModelHost
from ritm_backend.settings import Settings
from ritm_ops.pictures import PictureFetcher

ROOT = Path(__file__).parents[3]
OPERATIONS = [
    (path, method)
    for path, methods in yaml.safe_load((ROOT / "ritm_backend/openapi.yaml").read_text())["paths"].items()
    for method in methods
]
CHECKS: list[CheckFunction] = [
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]


@pytest.fixture(scope="module")
def app(annotator: Any) -> Flask:
    host = ModelHost(lambda: annotator, "bundled")
    host.start()
    host.annotator(60)
    alone = Settings(rate_per_minute=0)
    return create_app(alone, host, PictureFetcher(alone.picture_access))


@pytest.fixture(scope="module")
def description(app: Flask) -> Any:
    return schemathesis.openapi.from_wsgi("/openapi.json", app)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_the_server_keeps_to_its_own_description(description: Any, path: str, method: str) -> None:
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=description[path][method].as_strategy())
    def keeps(case: Any) -> None:
        response = case.call()
        assert response.status_code != 500, response.text
        assert "Traceback" not in response.text
        case.validate_response(response, checks=CHECKS)

    keeps()


def test_every_route_is_described(app: Flask) -> None:
    described = {
        (path.replace("{", "<").replace("}", ">"), method.upper())
        for path, methods in app.test_client().get("/openapi.json").json["paths"].items()
        for method in methods
    }
    real = {
        (rule.rule.replace("<path:", "<"), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == real


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_regions_with_anything_in_them_never_break_the_server(
    app: Flask, recorded: Any, data: st.DataObject
) -> None:
    """A recorded request, in which one value of one region is replaced by something else."""
    body = copy.deepcopy(recorded("14"))
    body["label_config"] = data.draw(st.sampled_from([body["label_config"], recommended_config(["Cat"])]))
    (task,) = body["tasks"]
    lists = [body["params"]["context"]["result"]]
    lists += [draft["result"] for draft in (*task.get("drafts", []), *task.get("annotations", []))]
    region = data.draw(st.sampled_from([region for regions in lists for region in regions]))
    place = region if data.draw(st.booleans()) else region["value"]
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(ANYTHING)
    answer = app.test_client().post("/predict", json=body)
    assert answer.status_code in (200, 400), answer.text
    assert "Traceback" not in answer.text
