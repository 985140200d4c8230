"""The host: what it says while there is no model, and that it goes on where loading failed at first."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest
from processes import wait_until

from ritm_backend.app import create_app
from ritm_backend.model_host import ModelHost, ModelUnavailableError
from ritm_backend.settings import Settings
from ritm_model.errors import RitmError
from ritm_model.inference import Annotator, Predictor, TorchEngine
from ritm_ops.pictures import PictureFetcher


@pytest.fixture
def annotators(predictor: Predictor) -> list[Annotator]:
    """Two, whose weights have the versions v1 and v2."""
    engine = predictor.engine
    assert isinstance(engine, TorchEngine)
    return [Annotator(Predictor(TorchEngine(engine.model, "cpu", name=name))) for name in ("v1", "v2")]


class Script:
    """What a source does at each check: an annotator, an error, or nothing any more."""

    def __init__(self, *steps: Annotator | Exception) -> None:
        self._steps: Iterator[Annotator | Exception] = iter(steps)

    def __call__(self) -> Annotator | None:
        step = next(self._steps, None)
        if isinstance(step, Exception):
            raise step
        return step


def test_a_host_that_failed_at_first_recovers(
    annotators: list[Annotator], caplog: pytest.LogCaptureFixture
) -> None:
    error = RitmError("the store does not answer.")
    host = ModelHost(Script(error, error, annotators[0], annotators[1]), "team", check_every_seconds=0.01)
    assert host.version == "team"
    with pytest.raises(ModelUnavailableError, match="is still being loaded"):
        host.annotator()
    host.start()
    wait_until(lambda: host.versions == ("v2",), "the second version", within_s=30)
    assert not host.has_failed
    host.stop()
    failures = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage() for record in failures] == [
        "The model team could not be loaded: the store does not answer."
    ]


def test_a_fault_shows_its_id_only(caplog: pytest.LogCaptureFixture) -> None:
    host = ModelHost(Script(RuntimeError("a secret")), "team")
    host.start()
    with pytest.raises(ModelUnavailableError, match=r"could not be loaded \(error \w{8} in the log\)"):
        host.annotator(30)
    assert host.has_failed
    assert "a secret" not in caplog.text


def test_a_session_stays_with_its_version(annotators: list[Annotator]) -> None:
    host = ModelHost(Script(annotators[0], annotators[1]), "team", check_every_seconds=0.05)
    host.start()
    begun_on = host.annotator(30, "begun").version
    wait_until(lambda: host.version == "v2", "the second version", within_s=30)
    assert host.annotator(session="begun").version == begun_on
    assert host.annotator(session="new").version == "v2"
    host.stop()


def test_label_studio_sees_one_version_for_one_object(
    annotators: list[Annotator], settings: Settings, recorded: Callable[[str], Any]
) -> None:
    is_promoted = Event()
    older, newer = annotators
    steps = iter([older])

    def newest() -> Annotator | None:
        if is_promoted.is_set():
            is_promoted.clear()
            return newer
        return next(steps, None)

    host = ModelHost(newest, "team", check_every_seconds=0.01)
    host.start()
    client = create_app(settings, host, PictureFetcher(settings.picture_access)).test_client()

    def version(body: Any) -> str:
        answer = client.post("/predict", json=body)
        assert answer.json is not None
        (prediction,) = answer.json["results"]
        assert prediction["result"]
        found: str = prediction["model_version"]
        return found

    body = recorded("15")
    points = body["params"]["context"]["result"]
    begun, another = copy.deepcopy(body), copy.deepcopy(body)
    del begun["params"]["context"]["result"][1:]
    for number, point in enumerate(another["params"]["context"]["result"]):
        point["id"] = f"another{number}"
    assert len(points) > 1
    assert version(begun) == "v1"
    is_promoted.set()
    wait_until(lambda: host.version == "v2", "the swap", within_s=30)
    assert version(body) == "v1", "the clicks that follow go to the version of the first one"
    assert version(another) == "v2"
    assert client.get("/versions").json == {"versions": ["v2", "v1"]}
    assert client.post("/setup", json=recorded("02")).json == {"model_version": "v2"}
    host.stop()
