"""Two teams share Label Studio, a server, Redis and a bucket; to each its own model, and its own say."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import yaml
from backend import RITM, connected, ritm_serve
from discs import accepted, clicked, make_bucket, store_labels, upload
from label_studio_server import LEGACY_TOKEN, LabelStudio
from processes import Server, wait_until
from redis_server import redis_server
from s3_server import ACCESS, s3_server
from team import RECIPE
from workers import Site, Worker, worker

from ritm_ops.jobs.protocol import JobReport
from ritm_ops.jobs.queue import JobQueue, connect

PICTURES = 6
BUCKET = "teams"
PUBLISHING = {"cells": "approve", "roads": "automatic"}


@dataclass(frozen=True)
class Team:
    """A project of Label Studio, whose pipeline is called like the team."""

    name: str
    site: Site
    studio: LabelStudio
    project: int
    backend_id: int

    def upload(self, number: int) -> tuple[int, np.ndarray]:
        return upload(self.studio, self.project, self.site.folder, number)

    def click(self, picture: tuple[int, np.ndarray]) -> dict[str, Any]:
        return clicked(self.studio, self.backend_id, *picture)

    def annotate(self, picture: tuple[int, np.ndarray]) -> str:
        """Click and accept; the version that answered."""
        found = self.click(picture)
        task = picture[0]
        self.studio.call("POST", f"/api/tasks/{task}/annotations/", json={"result": found["result"]})
        return str(found["model_version"])

    def learn(self, running: Worker) -> JobReport:
        """Press Start Training, and wait for the end of the job."""
        before = {job.id for job in self.site.jobs.jobs()}
        self.studio.call("POST", f"/api/ml/{self.backend_id}/train", json={})

        def asked() -> set[str]:
            return {job.id for job in self.site.jobs.jobs()} - before

        wait_until(lambda: bool(asked()), "the job", within_s=60)
        (job_id,) = asked()
        ended = self.site.ended(job_id, running)
        assert ended.status == "finished", ended.report.message
        return ended.report

    def ritm(self, *words: str) -> str:
        """What an administrator types, and is told."""
        done = subprocess.run(
            [RITM, *words],
            env={**self.site.environment, "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def live(self) -> str | None:
        found = self.site.registry.live(self.name)
        return found.version if found else None


def make_team(
    name: str, studio: LabelStudio, backend: Server, variables: Mapping[str, str], folder: Path
) -> Team:
    folder.mkdir()
    own = {"RITM_FINETUNE_FOLDER": str(folder / "work"), "RITM_FINETUNE_PIPELINE": name}
    environment = {**variables, **own}
    jobs = JobQueue(connect(variables["RITM_REDIS_URL"]), pipeline=name)
    order = ["--create-project", name, "--label", "Coin", "--backend", backend.url, "--pipeline", name]
    report = connected(studio.url, LEGACY_TOKEN, *order)
    store_labels(studio, report["project_id"], variables["AWS_ENDPOINT_URL"], BUCKET, f"labels/{name}")
    return Team(name, Site(folder, jobs, environment), studio, report["project_id"], report["backend_id"])


def is_told_of(backend: Server, version: str) -> None:
    """Wait until the server knows of a live version."""

    def known() -> bool:
        return version in requests.get(f"{backend.url}/versions", timeout=30).json()["versions"]

    wait_until(known, f"{version}, served", within_s=120, server=backend)


def is_counted(team: Team, objects: Mapping[str, tuple[int, int]]) -> None:
    """Wait until so many accepted objects of each version, and clicks on them, are known."""
    wait_until(
        lambda: accepted(team.site, team.name) == objects, f"what {team.name} has accepted", within_s=120
    )


@pytest.mark.timeout(1800)
def test_two_teams_learn_and_decide_for_themselves(
    studio: LabelStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = {
        "base": "bundled",
        "changes": [*RECIPE, "epochs=1", "epoch_samples=8"],
        "held_out": 0.3,
        "least_objects": 1,
        "objects": 2,
        "filmstrips": 1,
        "margin": -20,  # what is learnt in seconds need not be better
    }
    pipelines = {
        name: {"source": f"s3://{BUCKET}/labels/{name}", "publishing": publishing, **common}
        for name, publishing in PUBLISHING.items()
    }
    file = tmp_path / "pipelines.yaml"
    file.write_text(yaml.safe_dump({"pipelines": pipelines}))
    redis_folder = Path(tmp_path.parent, "r2")
    redis_folder.mkdir()
    with s3_server(tmp_path) as s3, redis_server(redis_folder) as redis:
        make_bucket(s3.url, BUCKET)
        access = {**ACCESS, "AWS_ENDPOINT_URL": s3.url}
        for name, value in access.items():
            monkeypatch.setenv(name, value)  # this process looks into the registry, too
        variables = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            **access,
            "RITM_DEVICE": "cpu",
            "RITM_REDIS_URL": redis.url,
            "RITM_REGISTRY": f"s3://{BUCKET}/registry",
            "RITM_PIPELINES": str(file),
            "LABEL_STUDIO_URL": studio.url,
            "LABEL_STUDIO_API_KEY": studio.personal_token,
        }
        unlike_serving = ("PATH", "HOME", "RITM_DEVICE")
        serving = {name: value for name, value in variables.items() if name not in unlike_serving}
        with ritm_serve(tmp_path, {**serving, "RITM_REGISTRY_SECONDS": "0.5"}) as backend:
            cells, roads = (
                make_team(name, studio, backend, variables, tmp_path / name) for name in PUBLISHING
            )
            with (
                worker(cells.site, "--serve", "cells"),
                worker(roads.site, "--serve", "roads") as of_roads,
            ):
                base = {
                    team.annotate(team.upload(number))
                    for team in (cells, roads)
                    for number in range(PICTURES)
                }
                assert len(base) == 1

                # The one publishes by itself, the other waits for somebody to decide.
                first = roads.learn(of_roads)
                told = cells.ritm("finetune", "start", "--follow")
                (waiting,) = cells.site.jobs.jobs()
                assert (first.outcome, waiting.report.outcome) == ("published", "candidate")
                assert (roads.live(), cells.live()) == (first.published_version, None)
                assert first.published_version
                is_told_of(backend, first.published_version)
                assert roads.annotate(roads.upload(PICTURES)) == first.published_version
                (candidate,) = cells.site.registry.versions("cells")
                assert f"ritm models approve cells {candidate.version}" in told
                assert {cells.click(cells.upload(PICTURES))["model_version"]} == base
                cells.ritm("models", "approve", "cells", candidate.version)
                is_told_of(backend, candidate.version)
                assert cells.annotate(cells.upload(PICTURES + 1)) == candidate.version

                # A worse second model is taken back, and stays so.
                second = roads.learn(of_roads)
                assert second.outcome == "published"
                assert roads.live() == second.published_version != first.published_version
                roads.ritm("models", "rollback", "roads")
                assert roads.live() == first.published_version
                again = roads.learn(of_roads)
                assert again.outcome == "nothing new"
                assert f"{second.published_version} was rolled back by " in again.message
                assert roads.live() == first.published_version
                assert cells.live() == candidate.version

            (before,) = base
            for team, version in ((cells, candidate.version), (roads, first.published_version)):
                is_counted(team, {before: (PICTURES, PICTURES), version: (1, 1)})
