"""Jobs over HTTP, for the demo page and for Label Studio's events, with a real Redis."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from processes import wait_until
from redis_server import Redis
from rq.job import Job
from rq.serializers import JSONSerializer

from ritm_backend.jobs.events import WITH_MASKS_BYTES
from ritm_ops.jobs.protocol import JobReport
from ritm_ops.jobs.queue import JobQueue

Backend = Callable[..., FlaskClient]
LABELS = "s3://labels/team"
PAYLOADS = Path(__file__).parents[2] / "payloads/label_studio"

pytestmark = pytest.mark.e2e


def recorded(number: str) -> Any:
    (path,) = PAYLOADS.glob(f"{number}_*.json")
    return json.loads(path.read_text())["json"]


START, CREATED, UPDATED = recorded("07"), recorded("08"), recorded("09")


@pytest.fixture
def client(client_with: Backend, redis: Redis) -> FlaskClient:
    return client_with(redis_url=redis.url, finetune_source=LABELS, finetune_after=3)


def test_a_job_is_asked_for_shown_and_stopped(client: FlaskClient, jobs: JobQueue) -> None:
    assert client.get("/training/jobs").json == {"jobs": []}
    asked = client.post("/training/jobs", json={}, headers={"X-Request-ID": "from-the-page"})
    assert asked.status_code == 201
    job_id = asked.json["id"]
    again = client.post("/training/jobs")
    assert (again.status_code, again.json["id"]) == (200, job_id)

    job = Job.fetch(job_id, connection=jobs.redis, serializer=JSONSerializer)
    assert job.meta["request_id"] == "from-the-page"
    report = JobReport(
        stage="learn",
        progress=0.4,
        eta_seconds=90,
        message="Learning.",
        log=("one", "two"),
        metrics={"before": {"NoC@90": 7.5}},
    )
    job.meta.update(report.model_dump(mode="json"))
    job.save_meta()
    (shown,) = client.get("/training/jobs").json["jobs"]
    assert shown["created_at"].endswith("+00:00")
    assert {name: shown[name] for name in shown if name not in ("created_at", "source", "base")} == {
        "id": job_id,
        "status": "queued",
        "stage": "learn",
        "progress": 0.4,
        "eta_seconds": 90.0,
        "message": "Learning.",
        "outcome": "",
        "metrics": {"before": {"NoC@90": 7.5}},
        "published_version": None,
    }
    assert client.get(f"/training/jobs/{job_id}/log").json == {"lines": ["one", "two"]}

    assert client.post(f"/training/jobs/{job_id}/stop").status_code == 200
    assert client.get("/training/jobs").json["jobs"][0]["status"] == "stopped"
    ended = client.post(f"/training/jobs/{job_id}/stop")
    assert (ended.status_code, ended.json["message"]) == (409, f"Job {job_id} has ended already.")
    assert client.get("/training/jobs/other/log").status_code == 404


def test_without_redis_there_are_no_jobs_and_events_are_taken(client_with: Backend) -> None:
    client = client_with()
    for answer in (client.get("/training/jobs"), client.post("/training/jobs")):
        assert answer.status_code == 503
        assert "RITM_REDIS_URL is not set" in answer.json["message"]
    assert client.post("/webhook", json=CREATED).json == {"status": "ok"}


def test_without_a_source_jobs_are_only_shown(client_with: Backend, redis: Redis) -> None:
    client = client_with(redis_url=redis.url)
    assert client.get("/training/jobs").status_code == 200
    assert client.post("/training/jobs").status_code == 503


def test_a_lost_redis_is_a_sentence_and_nothing_for_annotators(client: FlaskClient, redis: Redis) -> None:
    redis.kill()
    answer = client.get("/training/jobs")
    assert (answer.status_code, answer.json["message"]) == (503, "Redis cannot be reached at RITM_REDIS_URL.")
    assert client.post("/webhook", json=START).json["status"] == "ok"
    assert client.post("/webhook", json=CREATED).status_code == 200


def test_start_training_asks_for_a_job(client: FlaskClient, jobs: JobQueue) -> None:
    told = client.post("/webhook", json=START).json
    assert told == {"status": "ok", "job": jobs.jobs()[0].id}
    assert client.post("/webhook", json=START).json == told


def test_projects_have_the_jobs_of_their_pipelines(
    client_with: Backend, redis: Redis, tmp_path: Path
) -> None:
    file = tmp_path / "pipelines.yaml"
    pipelines = {
        name: {"source": f"s3://labels/{name}", "registry": "s3://models"} for name in ("cells", "roads")
    }
    file.write_text(json.dumps({"pipelines": pipelines}))
    client = client_with(redis_url=redis.url, pipelines=file, finetune_after=1)
    created = int(datetime.fromisoformat(START["project"]["created_at"].replace("Z", "+00:00")).timestamp())

    def of(pipeline: str) -> list[tuple[str, str]]:
        shown = client.get("/training/jobs", query_string={"pipeline": pipeline}).json["jobs"]
        return [(job["id"], job["source"]) for job in shown]

    def set_up(pipeline: str) -> None:
        extra = {"pipeline": pipeline}
        client.post("/setup", json={"project": f"{START['project']['id']}.{created}", "extra_params": extra})

    assert client.post("/webhook", json=START).json["message"].startswith("This server does not train")
    set_up("cells")
    client.post("/webhook", json=START)
    wait_until(lambda: bool(of("cells")), "a job of the pipeline", within_s=30)
    set_up("roads")
    client.post("/webhook", json=CREATED | {"more": "x" * WITH_MASKS_BYTES})  # however much they hold
    wait_until(lambda: bool(of("roads")), "a job of the other pipeline", within_s=30)
    ((_, first),), ((other_id, second),) = of("cells"), of("roads")
    assert (first, second) == ("s3://labels/cells", "s3://labels/roads")
    set_up("streets")
    assert "no pipeline 'streets'" in client.post("/webhook", json=START).json["message"]

    stop = f"/training/jobs/{other_id}/stop"
    assert client.post(stop, query_string={"pipeline": "cells"}).status_code == 404
    assert client.post(stop, query_string={"pipeline": "roads"}).status_code == 200
    asked = client.post("/training/jobs", query_string={"pipeline": "roads"})
    assert (asked.status_code, len(of("roads"))) == (201, 2)
    unknown = client.get("/training/jobs", query_string={"pipeline": "road"})
    assert (unknown.status_code, "did you mean" in unknown.json["error"]) == (404, True)


def test_every_third_new_annotation_asks_for_a_job(client: FlaskClient, jobs: JobQueue) -> None:
    for event in (CREATED, UPDATED, CREATED):
        assert client.post("/webhook", json=event).json == {"status": "ok"}
    assert jobs.jobs() == []
    assert client.post("/webhook", json=CREATED).json == {"status": "ok"}
    wait_until(lambda: len(jobs.jobs()) == 1, "a job", within_s=30)


def test_events_that_hold_large_masks_count_too(client: FlaskClient, jobs: JobQueue) -> None:
    large = {"action": "ANNOTATION_CREATED", "annotation": {"result": "x" * WITH_MASKS_BYTES}}
    for _ in range(3):
        assert client.post("/webhook", json=large).status_code == 200
    wait_until(lambda: len(jobs.jobs()) == 1, "a job", within_s=30)


def test_events_count_only_from_whoever_may_send_them(
    client_with: Backend, redis: Redis, jobs: JobQueue
) -> None:
    place = {"redis_url": redis.url, "finetune_source": LABELS}
    password = {"basic_auth_user": "ann", "basic_auth_pass": "word"}
    secret = {"X-RITM-Secret": "known"}

    def jobs_after(settings: dict[str, object], **how: object) -> int:
        answer = client_with(**place, **settings).post("/webhook", json=START, **how)
        assert answer.status_code == 200
        return len(jobs.jobs())

    assert jobs_after(password) == 0
    assert jobs_after({"webhook_secret": "known"}) == 0
    assert jobs_after({"webhook_secret": "known"}, headers={"X-RITM-Secret": "guessed"}) == 0
    assert jobs_after({**password, "webhook_secret": "known"}, auth=("ann", "wrong")) == 0
    assert jobs_after({**password, "webhook_secret": "known"}, auth=("ann", "word")) == 1
    jobs.stop(jobs.jobs()[0].id)
    assert jobs_after({**password, "webhook_secret": "known"}, headers=secret) == 2


def test_jobs_need_the_password_and_no_other_site_may_ask(client_with: Backend, redis: Redis) -> None:
    place = {"redis_url": redis.url, "finetune_source": LABELS}
    guarded = client_with(**place, basic_auth_user="ann", basic_auth_pass="word")
    assert guarded.get("/training/jobs").status_code == 401
    assert guarded.post("/training/jobs").status_code == 401
    assert guarded.post("/training/jobs", auth=("ann", "word")).status_code == 201
    refused = client_with(**place).post("/training/jobs", headers={"Sec-Fetch-Site": "cross-site"})
    assert refused.status_code == 403
