"""Two teams share a Redis and an object store, and each gets its own model from its own labels."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest
import yaml
from processes import wait_until
from redis_server import Redis
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import now
from team import RECIPE, label
from workers import RITM, WITHIN_S, Site, worker

from ritm_ops.jobs.queue import JobQueue

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SiteMaker: TypeAlias = Callable[..., Site]
PAGE = Path(__file__).parents[2] / "docs/finetuning.md"


def write(path: Path, labels: dict[str, Path], base: Path, **more: object) -> Path:
    """A file of pipelines, one for each team's labels."""
    common = {
        "base": str(base),
        "changes": [*RECIPE, "epochs=1", "epoch_samples=4"],
        "objects": 1,
        "margin": -20,
        **more,
    }
    content = {name: {"source": str(source), **common} for name, source in labels.items()}
    path.write_text(yaml.safe_dump({"pipelines": content}))
    return path


def team(site: Site, name: str, folder: Path) -> Site:
    """What a team sees of a site; its worker serves its pipeline only."""
    folder.mkdir()
    return replace(
        site,
        folder=folder,
        jobs=JobQueue(site.jobs.redis, pauses=(0, 0, 0), pipeline=name),
        environment={**site.environment, "RITM_FINETUNE_FOLDER": str(folder / "work")},
    )


def run(site: Site, *words: str) -> str:
    done = subprocess.run(
        [RITM, *words],
        env=dict(site.environment),
        cwd=site.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_each_team_gets_its_own_model_from_its_own_labels(
    make_site: SiteMaker, labels: Path, base: Path, tmp_path: Path
) -> None:
    sources = {"cells": labels, "roads": label(tmp_path / "roads labels", 30)}
    file = write(tmp_path / "teams.yaml", sources, base, least_objects=2)
    site = make_site()
    cells, roads = (team(site, name, tmp_path / name) for name in sources)
    asked = {
        name: of_team.jobs.start(str(sources[name]))[0]
        for name, of_team in (("cells", cells), ("roads", roads))
    }
    options = ("--pipelines", str(file), "--serve")
    with worker(cells, *options, "cells") as of_cells:
        assert cells.ended(asked["cells"], of_cells).status == "finished"
        with worker(roads, *options, "roads") as of_roads:  # while that of cells is free
            assert roads.jobs.job(asked["roads"]).status == "queued"
            assert roads.ended(asked["roads"], of_roads).status == "finished"

    for name, of_team in (("cells", cells), ("roads", roads)):
        (version,) = site.registry.versions(name)
        live = site.registry.live(name)
        assert live is not None
        assert live.version == version.version == of_team.jobs.job(asked[name]).report.published_version
        report = site.registry.report(name, version.version)
        assert (report["job"], report["source"]) == (asked[name], str(sources[name]))
        assert of_team.work(asked[name]).exists()
    assert not roads.work(asked["cells"]).exists()
    assert not cells.work(asked["roads"]).exists()


def test_labels_of_others_are_refused(make_site: SiteMaker, tmp_path: Path) -> None:
    site = make_site(RITM_FINETUNE_LEAST_OBJECTS="1000")
    others, _ = site.jobs.start(str(tmp_path))
    with worker(site) as running:
        job = site.ended(others, running)
        assert site.ended(site.start(), running).status == "finished"
    assert job.status == "failed"
    own = site.environment["RITM_FINETUNE_SOURCE"]
    assert job.report.message == f"The pipeline default learns from {own} and not from {tmp_path}."


def test_a_worker_of_several_pipelines_serves_them_in_turns(
    make_site: SiteMaker, labels: Path, base: Path, tmp_path: Path
) -> None:
    """The pipeline `default` goes on with what was asked for before there was a file."""
    file = write(tmp_path / "teams.yaml", {"default": labels, "roads": labels}, base, least_objects=1000)
    site = make_site()
    roads = JobQueue(site.jobs.redis, pipeline="roads")
    first, second = (site.jobs.start(str(labels), each)[0] for each in ("live", "none-such"))
    between, _ = roads.start(str(labels))
    run(site, "worker", "--burst", "--pipelines", str(file))
    started = {
        name: Job.fetch(name, site.jobs.redis, serializer=JSONSerializer).started_at
        for name in (first, between, second)
    }
    assert sorted(started, key=lambda name: str(started[name])) == [first, between, second]
    assert roads.job(between).report.outcome == site.jobs.job(first).report.outcome == "too few labels"
    assert site.jobs.job(second).status == "failed"  # no such base: nothing to do with its turn


def test_the_schedule_asks_for_each_pipeline_that_has_one(
    jobs: JobQueue, redis: Redis, tmp_path: Path, base: Path
) -> None:
    file = write(
        tmp_path / "teams.yaml", {"cells": Path("c"), "roads": Path("r")}, base, schedule="* * * * *"
    )
    text = file.read_text() + "  rivers: {source: x}\n"
    file.write_text(text)
    cells, roads, rivers = (JobQueue(jobs.redis, pipeline=name) for name in ("cells", "roads", "rivers"))
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(tmp_path),
        "RITM_REDIS_URL": redis.url,
        "TZ": f"HERE-0:00:{(52 - now().second) % 60:02d}",  # a local time whose minute ends in eight seconds
    }
    log = tmp_path / "schedule.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [RITM, "schedule", "--pipelines", str(file)], env=environment, stdout=sink, stderr=sink
        )
    try:
        wait_until(
            lambda: process.poll() is not None or (bool(cells.jobs()) and bool(roads.jobs())),
            "a job of each",
            within_s=90,
        )
        assert process.poll() is None, log.read_text()
        assert [(job.source, job.status) for job in cells.jobs()] == [("c", "queued")]
        assert [(job.source, job.status) for job in roads.jobs()] == [("r", "queued")]
        assert not rivers.jobs() + jobs.jobs()
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_the_commands_of_the_page_do_a_job(
    make_site: SiteMaker, labels: Path, base: Path, tmp_path: Path
) -> None:
    """As they stand there, with folders in place of buckets and too few labels."""
    section = PAGE.read_text().partition("## How do several teams share it?\n")[2].partition("\n### ")[0]
    (file,), (commands,) = (
        re.findall(rf"```{kind}\n(.*?)```", section, flags=re.DOTALL) for kind in ("yaml", "sh")
    )
    site = make_site()
    file = file.replace("s3://labels/cells", str(labels)).replace("s3://models", str(tmp_path / "models"))
    text = file.replace("publishing: approve", "publishing: approve\n    least_objects: 1000")
    (tmp_path / "pipelines.yaml").write_text(text)
    environment = {**site.environment, "PATH": f"{RITM.parent}:{os.environ['PATH']}"}
    output = tmp_path / "output.txt"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            ["bash", "-ec", commands],
            cwd=tmp_path,
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        assert process.wait(timeout=WITHIN_S) == 0, output.read_text()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    said = output.read_text()
    assert "pipelines.yaml: nothing is wrong with cells, roads." in said
    (job,) = JobQueue(site.jobs.redis, pipeline="cells").jobs()
    assert job.report.outcome == "too few labels"
    assert re.search(rf"^{job.id}  finished  100%  There are too few labels", said, flags=re.MULTILINE)
    assert not JobQueue(site.jobs.redis, pipeline="roads").jobs() + site.jobs.jobs()
