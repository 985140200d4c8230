"""The whole loop: clicks in Label Studio, its S3 storage, a job, and clicks with what it learnt from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from backend import connected, ritm_serve
from discs import accepted, clicked, make_bucket, store_labels, upload
from label_studio_server import LEGACY_TOKEN, LabelStudio
from processes import wait_until
from redis_server import redis_server
from s3_server import ACCESS, s3_server
from team import RECIPE
from workers import Site, worker

from ritm_ops.jobs.queue import JobQueue, connect

PICTURES = 6
BUCKET = "team"


@pytest.mark.timeout(1800)
def test_what_annotators_accept_makes_the_next_model(studio: LabelStudio, tmp_path: Path) -> None:
    redis_folder = Path(tmp_path.parent, "r")
    redis_folder.mkdir()
    with s3_server(tmp_path) as s3, redis_server(redis_folder) as redis:
        access = {**ACCESS, "AWS_ENDPOINT_URL": s3.url}
        make_bucket(s3.url, BUCKET)
        client = connect(redis.url)
        site = Site(
            tmp_path,
            JobQueue(client),
            {
                "PATH": "/usr/bin:/bin",
                "HOME": str(tmp_path),
                **access,
                "RITM_DEVICE": "cpu",
                "RITM_REDIS_URL": redis.url,
                "RITM_REGISTRY": f"s3://{BUCKET}/registry",
                "RITM_FINETUNE_SOURCE": f"s3://{BUCKET}/labels",
                "RITM_FINETUNE_FOLDER": str(tmp_path / "work"),
                "RITM_FINETUNE_CHANGES": ";".join((*RECIPE, "epochs=1", "epoch_samples=8")),
                "RITM_FINETUNE_HELD_OUT": "0.3",
                "RITM_FINETUNE_LEAST_OBJECTS": "1",
                "RITM_FINETUNE_OBJECTS": "2",
                "RITM_FINETUNE_MARGIN": "-20",  # what is learnt in seconds need not be better
                "LABEL_STUDIO_URL": studio.url,
                "LABEL_STUDIO_API_KEY": studio.personal_token,
            },
        )
        serving = {
            name: site.environment[name]
            for name in (*access, "RITM_REDIS_URL", "RITM_REGISTRY", "RITM_FINETUNE_SOURCE")
        }
        serving |= {"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": studio.personal_token}
        serving |= {"RITM_MODEL": "registry:ritm", "RITM_REGISTRY_SECONDS": "0.5"}
        with ritm_serve(tmp_path, serving) as backend, worker(site) as running:
            order = ["--create-project", "The loop", "--label", "Coin", "--backend", backend.url]
            report = connected(studio.url, LEGACY_TOKEN, *order)
            project, backend_id = report["project_id"], report["backend_id"]
            store_labels(studio, project, s3.url, BUCKET, "labels")
            tasks = [upload(studio, project, tmp_path, number) for number in range(PICTURES)]
            for task, mask in tasks:
                found = clicked(studio, backend_id, task, mask)
                studio.call("POST", f"/api/tasks/{task}/annotations/", json={"result": found["result"]})
            old = clicked(studio, backend_id, *tasks[0])["model_version"]

            studio.call("POST", f"/api/ml/{backend_id}/train", json={})  # the button Start Training
            wait_until(lambda: bool(site.jobs.jobs()), "the job", within_s=20)
            job = site.ended(site.jobs.jobs()[0].id, running)
            assert job.status == "finished", job.report.message
            new = job.report.published_version
            assert new is not None
            assert new != old

            def is_served() -> bool:
                ready = requests.get(f"{backend.url}/ready", timeout=30).json()
                return bool(ready["model_version"] == new)

            wait_until(is_served, "the new version, served", within_s=60)
            # What was begun on the old model ends on it; a fresh picture meets the new one.
            assert clicked(studio, backend_id, *tasks[0])["model_version"] == old
            fresh, mask = upload(studio, project, tmp_path, PICTURES)
            found = clicked(studio, backend_id, fresh, mask, clicks=2)
            assert found["model_version"] == new
            assert [region["type"] for region in found["result"]] == ["brushlabels"]

            studio.call("POST", f"/api/tasks/{fresh}/annotations/", json={"result": found["result"]})
            wait_until(
                lambda: accepted(site, "ritm") == {old: (PICTURES, PICTURES), new: (1, 2)},
                "accepted objects, counted by version",
                within_s=120,
            )
        client.close()
