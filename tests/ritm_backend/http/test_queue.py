"""What happens to clicks that come while the network is busy."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ritm_backend.app import create_app
from ritm_backend.model_host import ModelHost
from ritm_model.inference import Annotator, Predictor
from ritm_ops.pictures import PictureFetcher


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
    app = create_app(settings, host, PictureFetcher(settings.picture_access))

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


def test_the_newer_click_wins_even_if_the_image_of_the_older_takes_longer(host, settings, recorded):
    loading, go_on = threading.Event(), threading.Event()

    class SlowFetcher(PictureFetcher):
        def fetch(self, reference, *, task_id=None):
            if "slow" in reference:
                loading.set()
                assert go_on.wait(60)
            return super().fetch(reference, task_id=task_id)

    app = create_app(settings, host, SlowFetcher(settings.picture_access))

    def ask(image):
        body = recorded("04")
        body["tasks"][0] |= {"id": 3, "data": {"image": f"/data/upload/1/{image}.jpg"}}
        return app.test_client().post("/predict", json=body).json["results"][0]["result"]

    with ThreadPoolExecutor(1) as pool:
        older = pool.submit(ask, "slow")
        assert loading.wait(60)
        assert len(ask("quick")) == 1
        go_on.set()
        assert older.result(60) == []


def test_an_image_larger_than_the_cache_is_fetched_once_per_click(
    predictor, settings, recorded, label_studio
):
    host = ModelHost(lambda: Annotator(predictor, cache_bytes=1), "bundled")
    host.start()
    app = create_app(settings, host, PictureFetcher(settings.picture_access))
    body = recorded("04")
    body["tasks"][0] |= {"id": 4, "data": {"image": "/data/upload/1/too-large-to-keep.jpg"}}

    assert len(app.test_client().post("/predict", json=body).json["results"][0]["result"]) == 1
    assert label_studio.asked.count("/data/upload/1/too-large-to-keep.jpg") == 1
