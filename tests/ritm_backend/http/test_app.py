"""Routes, authentication, errors, and what is and is not logged."""

import base64
import json
import logging
import re
import sys
import threading

import pytest
from pydantic import SecretStr

from ritm_backend.app import create_app
from ritm_backend.logs import JsonLines
from ritm_backend.model_host import ModelHost
from ritm_model.errors import RitmError
from ritm_ops.pictures import PictureFetcher

JSON = "application/json"


@pytest.fixture
def serve(settings):
    """A client of the application with another model host or other settings."""

    def make(host, **changed):
        changed_settings = settings.model_copy(update=changed)
        return create_app(
            changed_settings, host, PictureFetcher(changed_settings.picture_access)
        ).test_client()

    return make


@pytest.fixture
def loading(annotator):
    """A host whose model comes when `event` is set."""
    event = threading.Event()

    def load():
        event.wait()
        return annotator

    host = ModelHost(load, "bundled")
    host.start()
    yield host, event
    event.set()


def failing(error):
    def load():
        raise error

    host = ModelHost(load, "bundled")
    host.start()
    host._settled.wait(60)
    return host


def credentials(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class TestWhileTheModelLoads:
    def test_short_requests_are_answered(self, serve, loading, recorded):
        client = serve(loading[0])

        assert client.get("/health").json == {"status": "UP", "model_class": "RITM"}
        assert client.get("/").status_code == 200
        assert client.post("/setup", json=recorded("02")).json == {"model_version": "bundled"}
        assert client.get("/versions").json == {"versions": ["bundled"]}
        assert client.post("/predict", json=recorded("06")).json == {"results": [[]]}

    def test_it_is_not_ready(self, serve, loading, annotator):
        host, event = loading
        client = serve(host)

        answer = client.get("/ready")
        assert (answer.status_code, answer.json) == (
            503,
            {"error": "The model bundled is still being loaded."},
        )
        event.set()
        host.annotator(60)
        assert client.get("/ready").json == {"status": "READY", "model_version": annotator.version}

    def test_a_click_waits_for_the_model(self, serve, loading, recorded):
        host, event = loading
        answers = []
        asking = threading.Thread(
            target=lambda: answers.append(serve(host).post("/predict", json=recorded("04")))
        )
        asking.start()
        assert serve(host).get("/health").status_code == 200
        assert answers == []
        event.set()
        asking.join()

        assert answers[0].json["results"][0]["result"]


def test_a_model_that_cannot_be_loaded_says_why(serve, recorded):
    client = serve(failing(RitmError("There is no such file.")))

    expected = {"error": "The model bundled could not be loaded: There is no such file."}
    for answer in (client.get("/ready"), client.post("/predict", json=recorded("04"))):
        assert (answer.status_code, answer.json) == (503, expected)
    health = client.get("/health")
    assert (health.status_code, health.json) == (
        503,
        {"error": "The model could not be loaded; the log says why."},
    ), "Label Studio must not show the backend as connected"


def test_a_fault_while_loading_goes_to_the_log_only(serve, caplog):
    client = serve(failing(ValueError("secret detail")))

    answer = client.get("/ready")
    (record,) = [r for r in caplog.records if r.message == "model failed"]
    assert answer.status_code == 503
    assert "secret" not in answer.text
    assert record.fields["error_id"] in answer.json["error"]
    assert record.fields["fault"] == "ValueError"
    assert record.fields["frames"][-1].endswith(" load")
    assert "secret" not in JsonLines().format(record)


class TestBasicAuthentication:
    @pytest.fixture
    def guarded(self, serve, host):
        return serve(host, basic_auth_user="anna", basic_auth_pass=SecretStr("grün:x"))

    @pytest.mark.parametrize("path", ["/", "/versions", "/nowhere"])
    def test_is_asked_for(self, guarded, path):
        answer = guarded.get(path)

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert "error" in answer.json

    @pytest.mark.parametrize("given", [("anna", "wrong"), ("otto", "grün:x"), ("", ""), ("anna", "")])
    def test_is_compared(self, guarded, given):
        assert guarded.get("/versions", headers=credentials(*given)).status_code == 401

    def test_lets_in_who_knows(self, guarded, recorded):
        known = credentials("anna", "grün:x")

        assert guarded.get("/versions", headers=known).status_code == 200
        assert guarded.post("/setup", json=recorded("17"), headers=known).status_code == 200
        assert guarded.post("/predict", json=recorded("05"), headers=known).status_code == 200

    @pytest.mark.parametrize("header", ["Bearer abc", "Basic", "Basic ====", "Basic \x7f", "x"])
    def test_takes_nothing_else(self, guarded, header):
        assert guarded.get("/versions", headers={"Authorization": header}).status_code == 401

    def test_leaves_health_and_events_open(self, guarded, recorded):
        assert guarded.get("/health").status_code == 200
        assert guarded.post("/webhook", json=recorded("08")).status_code == 200
        assert guarded.post("/predict", json=recorded("05")).status_code == 401


class TestEvents:
    def test_training_is_declined_politely(self, client, recorded):
        answer = client.post("/webhook", json=recorded("07"))

        assert answer.status_code == 200
        assert answer.json["status"] == "ok"
        assert "does not train" in answer.json["message"]

    @pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff", b"{" * 100_000, b" " * 1_000_000])
    def test_whatever_comes_is_fine(self, client, body):
        assert client.post("/webhook", data=body, content_type=JSON).json == {"status": "ok"}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "must be a JSON object"),
        (b"{}", "list `tasks`"),
        (b'{"tasks": [1]}', "list `tasks`"),
        (b'{"tasks": []}', "`label_config`"),
        (b'{"tasks": [], "label_config": "", "params": {"context": 5}}', "`params.context`"),
    ],
)
def test_what_is_no_predict_request_is_refused_with_a_sentence(client, body, sentence):
    answer = client.post("/predict", data=body, content_type=JSON)

    assert answer.status_code == 400
    assert sentence in answer.json["error"]


def test_a_request_without_tasks_or_params_is_fine(client):
    assert client.post("/predict", json={"tasks": [], "label_config": ""}).json == {"results": []}


def test_unknown_addresses_and_methods_are_told_in_json(client):
    missing, wrong = client.get("/train"), client.get("/predict")

    assert (missing.status_code, missing.json) == (404, {"error": "There is nothing at this address."})
    assert (wrong.status_code, wrong.json) == (405, {"error": "This address does not take GET requests."})
    assert "POST" in wrong.headers["Allow"]


def test_too_large_a_request_is_refused(serve, host):
    answer = serve(host, request_max_mb=1).post("/predict", data=b" " * (1024 * 1024 + 1), content_type=JSON)

    assert (answer.status_code, answer.json) == (413, {"error": "The request is larger than 1 MB."})


class TestTheLog:
    def test_has_one_line_per_request(self, client, recorded, caplog, annotator):
        caplog.set_level(logging.INFO, "ritm_backend")
        client.post("/predict", json=recorded("15"))

        (record,) = [r for r in caplog.records if r.name == "ritm_backend.boundary"]
        line = json.loads(JsonLines().format(record))
        assert line["level"] == "info"
        assert (line["method"], line["path"], line["status"]) == ("POST", "/predict", 200)
        assert (line["task"], line["clicks"], line["model_version"]) == (1, 3, annotator.version)
        assert {"receive", "parse", "encode", "respond"} <= line["stages_ms"].keys()
        assert sum(line["stages_ms"].values()) <= line["ms"] + 1

    @pytest.mark.parametrize("status", [400, 401, 404, 413, 503])
    def test_says_why_a_request_was_refused(self, serve, host, loading, recorded, caplog, status):
        guard = {"basic_auth_user": "anna", "basic_auth_pass": SecretStr("x")} if status == 401 else {}
        client = serve(loading[0] if status == 503 else host, request_max_mb=1, **guard)
        answer = {
            400: lambda: client.post("/predict", data=b"{", content_type=JSON),
            401: lambda: client.post("/predict", json=recorded("05")),
            404: lambda: client.get("/nowhere"),
            413: lambda: client.post("/predict", data=b" " * (1024 * 1024 + 1), content_type=JSON),
            503: lambda: client.get("/ready"),
        }[status]()

        (line,) = [record.fields for record in caplog.records if record.message == "request"]
        assert line["status"] == answer.status_code == status
        assert line["problems"] == [answer.json["error"]]

    def test_holds_no_tokens_and_no_bodies(self, serve, host, recorded, caplog):
        caplog.set_level(logging.DEBUG)
        client = serve(host, basic_auth_user="anna", basic_auth_pass=SecretStr("basic-secret"))
        known = credentials("anna", "basic-secret")
        client.post("/setup", json=recorded("02"), headers=known)
        client.post(
            "/predict?token=query-secret", json=recorded("04") | {"token": "body-secret"}, headers=known
        )
        client.post("/webhook", json=recorded("07"))
        client.post("/predict", data=b"{ body-secret", headers=known, content_type=JSON)

        text = "\n".join(JsonLines().format(record) for record in caplog.records)
        secrets = ("abc123abc123", "basic-secret", known["Authorization"][6:], "body-secret", "query-secret")
        for secret in (*secrets, "a" * 40, "invite-token", "BrushLabels"):
            assert secret not in text

    def test_a_fault_has_an_id_and_the_log_says_where_it_happened(self, host, settings, recorded, caplog):
        class BrokenFetcher(PictureFetcher):
            def fetch(self, reference, *, task_id=None):
                raise ZeroDivisionError("inner detail")

        client = create_app(settings, host, BrokenFetcher(settings.picture_access)).test_client()
        answer = client.post(
            "/predict", json=recorded("04") | {"tasks": [recorded("04")["tasks"][0] | {"id": 999}]}
        )

        assert answer.status_code == 500
        assert "inner detail" not in answer.text
        assert "Traceback" not in answer.text
        fault, request, lost = caplog.records[-3:]
        assert lost.message == "click not answered"
        assert fault.fields["error_id"] == request.fields["error_id"]
        assert fault.fields["error_id"] in answer.json["error"]
        line = json.loads(JsonLines().format(fault))
        assert line["fault"] == "ZeroDivisionError"
        assert re.fullmatch(r"test_app\.py:\d+ fetch", line["frames"][-1].split("/")[-1])
        assert any(re.fullmatch(r"ritm_backend/service\.py:\d+ predict", f) for f in line["frames"])
        assert any(re.fullmatch(r"flask/app\.py:\d+ \w+", frame) for frame in line["frames"])
        assert not any(frame.startswith("/") for frame in line["frames"])
        for kept_back in ("inner detail", "Traceback", "raise "):
            assert kept_back not in JsonLines().format(fault)

    def test_a_fault_that_a_library_logs_is_written_the_same_way(self):
        try:
            int("secret detail")
        except ValueError:
            record = logging.getLogger("library").makeRecord(
                "library", logging.ERROR, "", 0, "It broke.", (), sys.exc_info()
            )

        text = JsonLines().format(record)
        assert json.loads(text)["fault"] == "ValueError"
        assert "secret" not in text

    def test_a_line_stays_a_line(self, client, caplog):
        caplog.set_level(logging.INFO, "ritm_backend")
        client.get('/no"where\r\n{"level": "error"}')

        line = JsonLines().format(caplog.records[-1])
        assert "\n" not in line
        assert json.loads(line)["status"] == 404
