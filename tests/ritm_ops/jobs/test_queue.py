"""Jobs in a real Redis: one for the same data and base, kept as JSON, looked at and stopped by anybody."""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner
from redis_server import Redis, redis_server
from rq import SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer

from ritm_model.cli.main import ritm
from ritm_ops.jobs.protocol import EndedJobError, JobError, UnknownJobError
from ritm_ops.jobs.queue import JobQueue, connect

pytestmark = pytest.mark.e2e

LABELS = "s3://labels/team"


def test_the_second_who_asks_gets_the_job_of_the_first(jobs: JobQueue) -> None:
    first, is_new = jobs.start(LABELS)
    assert is_new
    assert jobs.start(LABELS) == (first, False)
    assert jobs.start(LABELS, base="ritm-0123")[1]
    assert jobs.start("s3://labels/others")[1]
    assert [job.source for job in jobs.jobs()].count(LABELS) == 2


def test_pipelines_do_not_see_each_others_jobs(jobs: JobQueue) -> None:
    cells, roads = (JobQueue(jobs.redis, pipeline=name) for name in ("cells", "roads"))
    started = {queue: queue.start(LABELS) for queue in (jobs, cells, roads)}
    assert all(is_new for _, is_new in started.values())
    for queue, (job_id, _) in started.items():
        assert [job.id for job in queue.jobs()] == queue.queue.job_ids == [job_id]
        assert queue.count_annotation() == 1
    for use in (roads.job, roads.stop):
        with pytest.raises(UnknownJobError):
            use(started[cells][0])
    assert cells.job(started[cells][0]).status == "queued"


def test_the_default_pipeline_has_the_keys_of_those_who_name_none(jobs: JobQueue) -> None:
    job_id, _ = jobs.start(LABELS)
    assert jobs.count_annotation() == 1
    named = JobQueue(jobs.redis, pipeline="default")
    assert named.start(LABELS) == (job_id, False)
    assert named.count_annotation() == 2
    kept = {key.decode() for key in jobs.redis.keys("*")}
    assert {"ritm:finetune:jobs", "ritm:finetune:annotations", "rq:queue:ritm-finetune"} <= kept
    assert not [key for key in kept if "default" in key]


def test_of_many_who_ask_at_once_one_is_first(jobs: JobQueue) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: jobs.start(LABELS), range(64)))
    assert len({job_id for job_id, _ in answers}) == 1
    assert [is_new for _, is_new in answers].count(True) == 1
    assert len(jobs.queue) == 1


def test_a_stopped_job_makes_room_for_the_next(jobs: JobQueue) -> None:
    first, _ = jobs.start(LABELS)
    jobs.stop(first)
    assert jobs.job(first).status == "stopped"
    with pytest.raises(EndedJobError):
        jobs.stop(first)
    second, is_new = jobs.start(LABELS)
    assert is_new
    assert [job.id for job in jobs.jobs()] == [second, first]


def test_a_job_is_a_name_and_two_addresses_in_json(jobs: JobQueue) -> None:
    job_id, _ = jobs.start(LABELS, request_id="abc")
    data = zlib.decompress(jobs.redis.hget(f"rq:job:{job_id}", "data"))
    assert json.loads(data) == ["training.job.run", None, [LABELS, "live"], {}]
    job = Job.fetch(job_id, connection=jobs.redis, serializer=JSONSerializer)
    assert job.meta == {"request_id": "abc"}
    assert job.timeout == -1
    assert job.retries_left == 3


def test_jobs_and_their_history_outlive_any_number_of_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a Redis of little memory, with the policy of the stack."""
    monkeypatch.chdir(tmp_path)
    with tempfile.TemporaryDirectory(prefix="redis") as folder, redis_server(Path(folder)) as own:
        jobs = JobQueue(connect(own.url), pauses=())
        failed, _ = jobs.start("s3://labels/failed")
        SimpleWorker([jobs.queue], connection=jobs.redis, serializer=JSONSerializer).work(burst=True)
        stopped, _ = jobs.start("s3://labels/stopped")
        jobs.stop(stopped)
        waiting, _ = jobs.start(LABELS)
        jobs.count_annotation()
        before = {job.id: job.status for job in jobs.jobs()}
        assert before == {failed: "failed", stopped: "stopped", waiting: "queued"}

        used = int(jobs.redis.info("memory")["used_memory"])
        jobs.redis.config_set("maxmemory", used + (4 << 20))
        jobs.redis.config_set("maxmemory-policy", "volatile-lru")
        for number in range(1500):
            jobs.redis.set(f"ritm:state:{number}", os.urandom(20_000), px=1_800_000)
        assert jobs.redis.info("stats")["evicted_keys"] > 1000
        assert {job.id: job.status for job in jobs.jobs()} == before
        assert jobs.start(LABELS) == (waiting, False)
        assert jobs.count_annotation() == 2


def test_old_jobs_are_forgotten_when_others_are_asked_for(
    jobs: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ritm_ops.jobs.queue.JOBS_LISTED", 2)
    waiting, _ = jobs.start("s3://labels/waiting")
    for number in range(4):
        last, _ = jobs.start(f"s3://labels/{number}")
        jobs.stop(last)
    assert {job.id for job in jobs.jobs()} >= {waiting, last}, "what waits is not forgotten"
    assert len(jobs.jobs()) == len(jobs.redis.keys("rq:job:*")) == 3
    monkeypatch.setattr("ritm_ops.jobs.queue.SECONDS_KEPT", -10)
    newest, _ = jobs.start("s3://labels/newest")
    assert {job.id for job in jobs.jobs()} == {waiting, newest}


@pytest.mark.parametrize("meta", [{}, {"progress": "much"}, {"progress": 0.5, "newer": 1}])
def test_whatever_a_worker_said_a_job_can_be_shown(jobs: JobQueue, meta: dict[str, object]) -> None:
    job_id, _ = jobs.start(LABELS)
    job = Job.fetch(job_id, connection=jobs.redis, serializer=JSONSerializer)
    job.meta = meta
    job.save_meta()
    assert jobs.job(job_id).to_json()["progress"] == (0.5 if meta.get("progress") == 0.5 else 0.0)


def test_unknown_jobs_and_lost_servers_are_sentences(jobs: JobQueue, redis: Redis) -> None:
    with pytest.raises(UnknownJobError, match="There is no job elsewhere"):
        jobs.job("elsewhere")
    impatient = JobQueue(connect(redis.url, patience_seconds=0.1))
    redis.kill()
    for ask in (lambda: impatient.start(LABELS), impatient.jobs, lambda: impatient.job("x"), impatient.ping):
        with pytest.raises(JobError, match="Redis cannot be reached"):
            ask()
    with pytest.raises(JobError, match="must look like redis://"):
        connect("here")


def test_jobs_survive_a_redis_that_is_killed(jobs: JobQueue, redis: Redis) -> None:
    job_id, _ = jobs.start(LABELS)
    redis.kill()
    redis.start()
    assert jobs.job(job_id).status == "queued"
    assert jobs.start(LABELS) == (job_id, False)


def test_the_command_line(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RITM_REDIS_URL", redis.url)
    monkeypatch.setenv("RITM_FINETUNE_SOURCE", LABELS)

    def told(*words: str) -> str:
        done = CliRunner().invoke(ritm, ["finetune", *words], catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    started = json.loads(told("start", "--json"))
    assert started["new"]
    assert "goes on already" in told("start")
    (listed,) = json.loads(told("list", "--json"))
    assert listed["id"] == started["id"]
    assert (listed["status"], listed["source"]) == ("queued", LABELS)
    assert json.loads(told("status", started["id"], "--json")) == listed
    assert started["id"] in told("list")
    assert told("logs", started["id"]) == ""
    assert json.loads(told("stop", started["id"], "--json"))["stopped"]
    assert json.loads(told("status", started["id"], "--json"))["status"] == "stopped"
