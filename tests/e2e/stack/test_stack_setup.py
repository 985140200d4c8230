"""The service `setup` makes one system of a real Label Studio, a real backend and a real S3 server."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import boto3
import yaml
from backend import RITM, ritm_serve
from label_studio_server import LEGACY_TOKEN, LabelStudio
from s3_server import ACCESS, s3_server

ROOT = Path(__file__).parents[3]
PROJECT = "The project of the stack"
STACK_BACKEND = "http://backend.internal:9090"
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
COMMAND: list[str] = SERVICES["setup"]["command"]
PHOTO = ROOT / "tests/samples/images/coins.jpg"


def test_setup_connects_everything_and_may_run_again(studio: LabelStudio, tmp_path: Path) -> None:
    secrets = made_secrets(tmp_path / "project")
    with (
        s3_server(tmp_path) as objects,
        ritm_serve(
            tmp_path,
            variables("backend", "BASIC_AUTH|WEBHOOK|LABEL_STUDIO", secrets, studio),
            health="/health",
        ) as backend,
    ):
        environment = {
            **variables("setup", "BASIC_AUTH|WEBHOOK|LABEL_STUDIO|AWS", secrets, studio),
            "AWS_EC2_METADATA_DISABLED": "true",
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),  # the same code as in this process
            "HOME": str(tmp_path),
            "AWS_ENDPOINT_URL": objects.url,
        }
        settings = {"PROJECT": PROJECT, "LABELS": "Coin, Other"}

        def set_up(*options: str, **extra: str) -> str:
            command = [_expanded(word, settings).replace(STACK_BACKEND, backend.url) for word in COMMAND]
            done = subprocess.run(
                [RITM, *command, *options],
                env={**environment, **extra},
                capture_output=True,
                text=True,
                timeout=200,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        said = set_up("--dry-run")
        assert f"✓ Project {PROJECT!r} would be made and connected" in said
        assert "✓ The bucket ritm would be made" in said
        assert not any(each["title"] == PROJECT for each in studio.call("GET", "/api/projects")["results"])
        assert not _s3(objects.url).list_buckets()["Buckets"]

        said = set_up()
        assert re.match(rf"Project \d+ {PROJECT!r}: http://127\.0\.0\.1:8080/projects/\d+/data\n", said)
        assert "a-password" not in said
        assert LEGACY_TOKEN not in said
        first = _connections(studio)
        (project,) = first["projects"]
        assert project["title"] == PROJECT
        assert [hook["headers"] for hook in first["webhooks"]] == [{"X-RITM-Secret": "a-secret"}]
        assert [(each["bucket"], each["prefix"]) for each in first["sources"]] == [("ritm", "images")]
        assert [(each["bucket"], each["prefix"]) for each in first["targets"]] == [("ritm", "labels")]

        said = set_up()
        assert "✓ s3://ritm/images is connected already, for photographs." in said
        again = _connections(studio)
        assert {kind: len(found) for kind, found in again.items()} == {
            kind: len(found) for kind, found in first.items()
        }

        (tmp_path / "another").write_text("another-secret")
        elsewhere = {
            "AWS_DEFAULT_REGION": "eu-west-1",
            "RITM_WEBHOOK_SECRET_FILE": str(tmp_path / "another"),
        }
        said = set_up("--dry-run", **elsewhere)
        assert "would be brought up to date: region_name" in said
        assert "would be signed anew" in said
        assert _connections(studio) == again
        said = set_up(**elsewhere)
        assert "another-secret" not in said
        assert "is brought up to date: region_name" in said
        assert {each["region_name"] for each in _connections(studio)["sources"]} == {"eu-west-1"}

        s3 = _s3(objects.url)
        s3.upload_file(str(PHOTO), "ritm", "images/coins.jpg")
        studio.call("POST", f"/api/storages/s3/{again['sources'][0]['id']}/sync")
        (task,) = studio.tasks(project["id"])
        annotation = {"result": [], "was_cancelled": False}
        studio.call("POST", f"/api/tasks/{task['id']}/annotations/", json=annotation)
        labels = s3.list_objects_v2(Bucket="ritm", Prefix="labels/").get("Contents", [])
        assert len(labels) == 1

        # As docs/label_studio.md has it, for a project and buckets that are there already.
        for bucket in ("photos", "labels"):
            s3.create_bucket(Bucket=bucket)
        s3.upload_file(str(PHOTO), "photos", "cats/coins.jpg")
        s3.upload_file(str(PHOTO), "labels", "cats/coins.jpg")
        done = subprocess.run(
            [RITM, *_documented(), "--backend", backend.url],
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert ("photos", "cats") in [
            (each["bucket"], each["prefix"]) for each in _connections(studio)["sources"]
        ]


def made_secrets(project: Path) -> Path:
    """The files that `docker/make-env` makes of variables of an earlier version."""
    shutil.copytree(ROOT / "docker", project / "docker")
    earlier = {
        "LABEL_STUDIO_TOKEN": LEGACY_TOKEN,
        "POSTGRES_PASSWORD": "unused",
        "BACKEND_PASSWORD": "a-password",
        "WEBHOOK_SECRET": "a-secret",
        "S3_ACCESS_KEY": ACCESS["AWS_ACCESS_KEY_ID"],
        "S3_SECRET_KEY": ACCESS["AWS_SECRET_ACCESS_KEY"],
    }
    (project / ".env").write_text("".join(f"{name}={value}\n" for name, value in earlier.items()))
    subprocess.run([project / "docker/make-env"], check=True, capture_output=True)
    return project / "secrets"


def variables(service: str, names: str, secrets: Path, studio: LabelStudio) -> dict[str, str]:
    """Those that the stack gives to a service, as far as they are of what `names` matches."""
    found = {
        name: value
        for name, value in SERVICES[service]["environment"].items()
        if re.match(f"(RITM_)?({names})", name)
    }
    found["LABEL_STUDIO_URL"] = studio.url
    return {name: _expanded(value, {}).replace("/run/secrets", str(secrets)) for name, value in found.items()}


def _documented() -> list[str]:
    """The words of the command that the documentation shows."""
    page = (ROOT / "docs/label_studio.md").read_text()
    (line,) = re.findall(r"^\.venv/bin/ritm (connect .*--s3-photographs.*)$", page, re.MULTILINE)
    return [PROJECT if word == "My project" else word for word in shlex.split(line)]


def _expanded(word: str, settings: dict[str, str]) -> str:
    """What Compose makes of ${NAME:-default} in a word of a command."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: settings.get(found[1], found[2]), word)


def _s3(url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=ACCESS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ACCESS["AWS_SECRET_ACCESS_KEY"],
        region_name=ACCESS["AWS_DEFAULT_REGION"],
    )


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
    for backend in found["backends"]:
        del backend["updated_at"]  # Label Studio asks it whether it is there whenever it is listed
    return {"projects": [each for each in projects if each["id"] == number], **found}
