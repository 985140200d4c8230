"""The host: what it says while there is no model, and that it goes on where loading failed at first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from processes import wait_until

from ritm_backend.model_host import ModelHost, ModelUnavailableError
from ritm_model.errors import RitmError
from ritm_model.inference import Annotator, Predictor, TorchEngine


@pytest.fixture
def annotators(predictor: Predictor) -> list[Annotator]:
    """Two, whose weights have the versions v1 and v2."""
    engine = predictor.engine
    assert isinstance(engine, TorchEngine)
    return [Annotator(Predictor(TorchEngine(engine.model, "cpu", name=name))) for name in ("v1", "v2")]


class Script:
    """What a source does at each look: an annotator, an error, or nothing any more."""

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
    host = ModelHost(Script(error, error, annotators[0], annotators[1]), "team", look_every_seconds=0.01)
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
    host = ModelHost(Script(annotators[0], annotators[1]), "team", look_every_seconds=0.05)
    host.start()
    begun_on = host.annotator(30, "begun").version
    wait_until(lambda: host.version == "v2", "the second version", within_s=30)
    assert host.annotator(session="begun").version == begun_on
    assert host.annotator(session="new").version == "v2"
    host.stop()
