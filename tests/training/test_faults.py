"""Whatever dies on the way, a job goes on or says why it ends; never is a model half published, never twice.

Redis, S3, workers and the processes of jobs are real ones, and what kills them is SIGKILL.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest
import torch
from boto3.session import Session
from processes import wait_until
from redis_server import Redis
from s3_server import FaultyProxy
from team import RECIPE
from workers import RITM, WITHIN_S, Site, is_gone, parent, worker

from ritm_ops.jobs.queue import JobQueue

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SiteMaker: TypeAlias = Callable[..., Site]
LONG = {"RITM_FINETUNE_CHANGES": ";".join((*RECIPE, "epoch_samples=40"))}
STEPS, LONG_STEPS = list(range(1, 5)), list(range(1, 41))


def assert_published_once(site: Site, job_id: str) -> None:
    """One version, whole, live, and the one that the job speaks of."""
    (version,) = site.registry.versions("ritm")
    live = site.registry.live("ritm")
    assert live is not None
    assert live.version == version.version == site.jobs.job(job_id).report.published_version
    assert [change.kind for change in site.registry.history("ritm")] == ["promote"]
    site.registry.fetch("ritm", version.version, site.folder / "fetched")
    assert site.registry.report("ritm", version.version)["job"] == job_id


def test_a_killed_job_and_then_a_killed_worker(make_site: SiteMaker) -> None:
    site = make_site(**LONG)
    job_id = site.start()
    with worker(site) as first:
        site.wait_for_steps(job_id, 3)
        os.kill(first.horse(site.work(job_id)), signal.SIGKILL)
        made = len(site.steps(job_id))
        site.wait_for_steps(job_id, made + 3)
        horse = first.horse(site.work(job_id))
        first.kill()
        wait_until(is_gone(horse), "the end of the job's process", within_s=60)
    assert len(site.steps(job_id)) < len(LONG_STEPS)
    with worker(site) as second:
        job = site.ended(job_id, second)
    assert job.status == "finished", job.report.message
    assert site.steps(job_id) == LONG_STEPS  # none missing, none twice: each attempt began at a checkpoint
    assert site.log(job_id).count("Learning:") == 3
    assert site.log(job_id).count("Collecting") == 1
    assert_published_once(site, job_id)
    assert job.report.metrics["before"]["objects"] == job.report.metrics["after"]["objects"] == 1


def test_of_two_workers_of_a_queue_one_does_the_job_and_the_other_takes_it_over(make_site: SiteMaker) -> None:
    site = make_site(**LONG)
    with worker(site) as one, worker(site) as two:
        job_id = site.start()
        site.wait_for_steps(job_id, 3)
        horse = one.horse(site.work(job_id))
        busy, free = (one, two) if parent(horse) == one.process.pid else (two, one)
        assert parent(horse) == busy.process.pid
        busy.kill()
        wait_until(is_gone(horse), "the end of the job's process", within_s=60)
        assert len(site.steps(job_id)) < len(LONG_STEPS)
        job = site.ended(job_id, free)
    assert job.status == "finished", job.report.message
    assert site.steps(job_id) == LONG_STEPS
    assert site.log(job_id).count("Learning:") == 2
    assert site.log(job_id).count("Collecting") == 1
    assert_published_once(site, job_id)


def test_a_worker_that_is_stopped_gives_its_job_back_with_a_checkpoint(make_site: SiteMaker) -> None:
    site = make_site(RITM_FINETUNE_CHANGES=";".join((*RECIPE, "epoch_samples=40", "checkpoint_steps=1000")))
    job_id = site.start()
    with worker(site) as first:
        site.wait_for_steps(job_id, 3)
        first.process.terminate()
        assert first.process.wait(timeout=60) == 0
    made = site.steps(job_id)
    assert 3 <= len(made) < 20  # within the first epoch
    job = site.jobs.job(job_id)
    assert job.status == "queued"
    assert job.report.message == "The worker is being stopped; the next free one goes on with the job."
    assert torch.load(site.work(job_id) / "run/checkpoint.pt", weights_only=True)["step"] == made[-1]
    with worker(site) as second:
        job = site.ended(job_id, second)
    assert job.status == "finished", job.report.message
    assert site.steps(job_id) == LONG_STEPS
    assert_published_once(site, job_id)


def test_no_worker_takes_the_job_of_another_pipeline(make_site: SiteMaker, tmp_path: Path) -> None:
    """The worker of roads is free from first to last; the job of cells waits until its own one comes."""
    cells, roads = (
        replace(
            site := make_site(
                RITM_FINETUNE_PIPELINE=name,
                RITM_FINETUNE_NAME=name,
                RITM_FINETUNE_FOLDER=str(tmp_path / name / "work"),
                RITM_FINETUNE_LEAST_OBJECTS="1000",
            ),
            folder=tmp_path / name,
            jobs=JobQueue(site.jobs.redis, pipeline=name),
        )
        for name in ("cells", "roads")
    )
    for site in (cells, roads):
        site.folder.mkdir()
    waiting = cells.start()
    with worker(roads) as of_roads:
        for _ in range(2):  # whatever this worker does between jobs, it has done after the first
            assert roads.ended(roads.start(), of_roads).status == "finished"
        assert cells.jobs.job(waiting).status == "queued"
        assert not cells.work(waiting).exists()
        with worker(cells) as of_cells:
            assert cells.ended(waiting, of_cells).status == "finished"
    assert cells.work(waiting).exists()
    assert not roads.work(waiting).exists()


def test_redis_is_killed_while_two_processes_learn(make_site: SiteMaker, redis: Redis) -> None:
    # Twelve steps: two processes wait for each other at every layer.
    recipe = ";".join((*RECIPE, "epoch_samples=12"))
    site = make_site(RITM_FINETUNE_PROCESSES="2", RITM_FINETUNE_CHANGES=recipe)
    job_id = site.start()
    with worker(site) as running:
        site.wait_for_steps(job_id, 3)
        redis.kill()
        made = len(site.steps(job_id))
        site.wait_for_steps(job_id, made + 3)  # learning does not wait for Redis
        redis.start()
        job = site.ended(job_id, running)
    assert job.status == "finished", job.report.message
    assert site.log(job_id).count("Learning:") == 1
    assert_published_once(site, job_id)


def test_every_fault_of_s3_while_a_model_is_published(make_site: SiteMaker, proxy: FaultyProxy) -> None:
    site = make_site(RITM_FINETUNE_STORE_SECONDS="2", AWS_ENDPOINT_URL=proxy.url)
    # The first request asks for the live version; what comes after it is the publishing.
    proxy.faults.extend(
        ["none", *["500"] * 4, "none", "403", "none", "none", *["truncated"] * 4, "silent", "lost answer"]
    )
    job_id = site.start()
    with worker(site) as running:
        job = site.ended(job_id, running)
    assert job.status == "finished", job.report.message
    assert not proxy.faults
    assert site.steps(job_id) == STEPS
    assert_published_once(site, job_id)


def test_every_fault_of_s3_while_labels_are_collected(
    make_site: SiteMaker, proxy: FaultyProxy, labels: Path, bucket: str
) -> None:
    upload(labels, bucket)
    site = make_site(
        RITM_FINETUNE_STORE_SECONDS="2",
        AWS_ENDPOINT_URL=proxy.url,
        RITM_FINETUNE_SOURCE=f"s3://{bucket}/labels",
    )
    # After the live version comes the list of labels, and then each of them. Four failures end an attempt.
    proxy.faults.extend(["none", *["500"] * 4, "none", "truncated", "silent", "none", "truncated", "403"])
    job_id = site.start()
    with worker(site) as running:
        job = site.ended(job_id, running)
    assert job.status == "finished", job.report.message
    assert not proxy.faults
    assert "Collected 40 objects of 40 images; 0 things were left out" in site.log(job_id)
    assert site.log(job_id).count("Collecting") > 1
    assert_published_once(site, job_id)


def test_labels_that_s3_refuses_for_good_end_the_job_with_the_reason(
    make_site: SiteMaker, proxy: FaultyProxy, labels: Path, bucket: str
) -> None:
    upload(labels, bucket)
    site = make_site(AWS_ENDPOINT_URL=proxy.url, RITM_FINETUNE_SOURCE=f"s3://{bucket}/labels")
    proxy.faults.extend(["none", *["403"] * 100])
    job_id = site.start()
    with worker(site) as running:
        job = site.ended(job_id, running)
    assert job.status == "failed"
    assert "refuses" in job.report.message
    proxy.faults.clear()
    assert site.registry.versions("ritm") == ()


def test_another_host_does_what_a_lost_one_had_begun(make_site: SiteMaker, tmp_path: Path) -> None:
    lost = make_site(**LONG)
    job_id = lost.start()
    with worker(lost):
        lost.wait_for_steps(job_id, 3)
    # Worker and job are killed; the other host has a folder of its own, so it begins anew.
    other = replace(
        lost,
        folder=tmp_path / "other",
        environment={**lost.environment, "RITM_FINETUNE_FOLDER": str(tmp_path / "other/work")},
    )
    other.folder.mkdir()
    with worker(other) as running:
        job = other.ended(job_id, running)
    assert job.status == "finished", job.report.message
    assert other.steps(job_id) == LONG_STEPS
    assert len(lost.steps(job_id)) < len(LONG_STEPS)
    assert_published_once(other, job_id)


def upload(labels: Path, bucket: str) -> None:
    client = Session().client("s3")
    for path in labels.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), bucket, f"labels/{path.relative_to(labels)}")


def test_s3_that_refuses_for_good_ends_the_job_with_the_reason(
    make_site: SiteMaker, proxy: FaultyProxy
) -> None:
    site = make_site(AWS_ENDPOINT_URL=proxy.url)
    proxy.faults.extend(["403"] * 100)
    job_id = site.start()
    with worker(site) as running:
        job = site.ended(job_id, running)
    assert job.status == "failed"
    assert "refuses" in job.report.message
    assert 100 - len(proxy.faults) == 5  # the worker's look at the registry; the first attempt and three more
    proxy.faults.clear()
    assert site.registry.versions("ritm") == ()


def test_a_full_disk_ends_the_job_with_the_reason(make_site: SiteMaker) -> None:
    site = make_site()
    job_id = site.start()
    with worker(site, largest_file=700_000) as running:
        job = site.ended(job_id, running)
    assert job.status == "failed"
    assert "checkpoint.pt cannot be written: File too large" in job.report.message
    assert site.registry.versions("ritm") == ()


@pytest.mark.parametrize("end", ["finished", "failed", "stopped"])
@pytest.mark.parametrize("keep", [True, False])
def test_no_photographs_and_no_checkpoints_are_left(make_site: SiteMaker, end: str, keep: bool) -> None:
    """A job fails here while it writes the model out, by which it has data and a checkpoint."""
    recipe = LONG["RITM_FINETUNE_CHANGES"] if end == "stopped" else ";".join(RECIPE)
    site = make_site(RITM_FINETUNE_KEEP=str(keep), RITM_FINETUNE_CHANGES=recipe)
    folder = site.work(job_id := site.start())
    if end == "failed":
        (folder / "run/model.safetensors/in the way").mkdir(parents=True)
    with worker(site) as running:
        if end == "stopped":
            site.wait_for_steps(job_id, 2)
            site.jobs.stop(job_id)
        assert site.ended(job_id, running).status == end
        # Jobs are done one after the other, and what is left of one is removed before the next.
        next_id = site.start()
        wait_until(lambda: site.work(next_id).exists(), "the next job", within_s=WITHIN_S)
    left = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert {".jsonl", ".txt", ".json"} <= left
    assert left.isdisjoint({".png", ".pt", ".safetensors"}) is not keep


def test_too_few_labels_are_no_failure(make_site: SiteMaker) -> None:
    site = make_site(RITM_FINETUNE_LEAST_OBJECTS="1000")
    job_id = site.start()
    with worker(site) as running:
        job = site.ended(job_id, running)
    assert (job.status, job.report.outcome) == ("finished", "too few labels")
    said = subprocess.run(
        [RITM, "finetune", "status", job_id, "--follow"],
        env=dict(site.environment),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "There are too few labels: 40 images have " in said.stdout


def test_a_stopped_job_is_not_tried_again(make_site: SiteMaker) -> None:
    site = make_site(**LONG)
    job_id = site.start()
    with worker(site) as running:
        site.wait_for_steps(job_id, 1)
        horse = running.horse(site.work(job_id))
        site.jobs.stop(job_id)
        job = site.ended(job_id, running)
        assert job.status == "stopped"
        wait_until(is_gone(horse), "the end of the job's process", within_s=60)
    assert len(site.jobs.queue) == 0
    assert site.registry.versions("ritm") == ()
