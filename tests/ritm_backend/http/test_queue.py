"""What happens to clicks that come while the network is busy."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ritm_backend.app import create_app
from ritm_backend.images import ImageFetcher
from ritm_backend.model_host import ModelHost
from ritm_model.inference import Annotator, Predictor


class HeldEngine:
    """The real engine, whose next runs wait until they may go on."""

    def __init__(self, engine):
        self._engine = engine
        self.name, self.with_prev_mask = engine.name, engine.with_prev_mask
        self.entered, self.may_run = threading.Event(), threading.Event()

    def run(self, image_BCHW, points_BP3):
        self.entered.set()
        self.may_run.wait(120)
        return self._engine.run(image_BCHW, points_BP3)


@pytest.fixture
def engine(predictor):
    held = HeldEngine(predictor.engine)
    yield held
    held.may_run.set()


def wait_until(condition):
    while not condition():
        threading.Event().wait(0.005)


def test_the_newest_click_on_an_object_overtakes_those_that_wait(
    engine, predictor, settings, recorded, caplog
):
    caplog.set_level("INFO", "ritm_backend")
    annotator = Annotator(Predictor(engine, predictor.options))
    host = ModelHost(lambda: annotator, "bundled")
    host.start()
    app = create_app(settings, host, ImageFetcher(settings))

    def ask(task, *ids):
        body = recorded("04")
        body["tasks"][0]["id"] = task
        (example, _) = body["params"]["context"]["result"]
        body["params"]["context"]["result"] = [{**example, "id": id} for id in ids]
        answer = app.test_client().post("/predict", json=body)
        assert answer.status_code == 200
        return answer.json["results"][0]

    with ThreadPoolExecutor(4) as pool:
        running = pool.submit(ask, 1, "other")
        assert engine.entered.wait(60)
        older = pool.submit(ask, 2, "a")
        wait_until(lambda: annotator.stats().waiting == 1)
        stranger = pool.submit(ask, 2, "b")
        wait_until(lambda: annotator.stats().waiting == 2)
        newer = pool.submit(ask, 2, "a", "c")
        overtaken = older.result(60)
        assert not running.done()
        assert app.test_client().get("/health").status_code == 200
        engine.may_run.set()

        assert overtaken["result"] == []
        assert "message" not in overtaken
        for answered in (running, stranger, newer):
            assert len(answered.result(60)["result"]) == 1

    (line,) = [r for r in caplog.records if "notes" in getattr(r, "fields", {})]
    assert line.levelname == "INFO"
    assert "newer click" in line.fields["notes"][0]
