"""The service `setup` makes one system of a real Label Studio, a real backend and a real S3 server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
from backend import ritm_serve
from label_studio_server import LEGACY_TOKEN, LabelStudio
from s3_server import ACCESS, s3_server

ROOT = Path(__file__).parents[2]
PROJECT = "The project of the stack"
PHOTO = ROOT / "tests/samples/images/coins.jpg"


def test_setup_connects_everything_and_may_run_again(studio: LabelStudio, tmp_path: Path) -> None:
    guarded = {"BASIC_AUTH_USER": "ritm", "BASIC_AUTH_PASS": "a-password", "RITM_WEBHOOK_SECRET": "a-secret"}
    token = {"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": LEGACY_TOKEN}
    with (
        s3_server(tmp_path) as objects,
        ritm_serve(tmp_path, {**guarded, **token}, health="/health") as backend,
    ):
        environment = {
            **ACCESS,
            **guarded,
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AWS_ENDPOINT_URL": objects.url,
            **token,
            "BACKEND_URL": backend.url,
            "BUCKET": "ritm",
            "PROJECT": PROJECT,
            "LABELS": "Coin, Other",
        }

        def set_up() -> str:
            done = subprocess.run(
                [sys.executable, ROOT / "docker/setup.py"],
                env=environment,
                capture_output=True,
                text=True,
                timeout=200,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        said = set_up()
        assert "a-password" not in said
        assert LEGACY_TOKEN not in said
        first = _connections(studio)
        (project,) = first["projects"]
        assert project["title"] == PROJECT
        assert [hook["headers"] for hook in first["webhooks"]] == [{"X-RITM-Secret": "a-secret"}]
        assert [(each["bucket"], each["prefix"]) for each in first["sources"]] == [("ritm", "images")]
        assert [(each["bucket"], each["prefix"]) for each in first["targets"]] == [("ritm", "labels")]

        set_up()
        again = _connections(studio)
        assert {kind: len(found) for kind, found in again.items()} == {
            kind: len(found) for kind, found in first.items()
        }

        s3 = boto3.client(
            "s3",
            endpoint_url=objects.url,
            aws_access_key_id=ACCESS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ACCESS["AWS_SECRET_ACCESS_KEY"],
            region_name=ACCESS["AWS_DEFAULT_REGION"],
        )
        s3.upload_file(str(PHOTO), "ritm", "images/coins.jpg")
        studio.call("POST", f"/api/storages/s3/{again['sources'][0]['id']}/sync")
        (task,) = studio.tasks(project["id"])
        annotation = {"result": [], "was_cancelled": False}
        studio.call("POST", f"/api/tasks/{task['id']}/annotations/", json=annotation)
        labels = s3.list_objects_v2(Bucket="ritm", Prefix="labels/").get("Contents", [])
        assert len(labels) == 1


def _connections(studio: LabelStudio) -> dict[str, list[dict[str, Any]]]:
    projects = studio.call("GET", "/api/projects")["results"]
    number = next(each["id"] for each in projects if each["title"] == PROJECT)
    asked = {
        "backends": f"/api/ml?project={number}",
        "webhooks": f"/api/webhooks/?project={number}",
        "sources": f"/api/storages/s3?project={number}",
        "targets": f"/api/storages/export/s3?project={number}",
    }
    found = {kind: studio.call("GET", path) for kind, path in asked.items()}
    return {"projects": [each for each in projects if each["id"] == number], **found}
