"""docker/pin-images with a registry that is played: no Docker runs where these tests do."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from stack_files import ROOT

COMPOSE_FILES = ("docker-compose.yml", "docker-compose.tls.yml", "docker-compose.cvat.yml")
DOCKERFILES = ("docker/Dockerfile", "cvat_serverless/Dockerfile")
FILES = (*COMPOSE_FILES, *DOCKERFILES)
REGISTRY = """#!/bin/sh
for image; do :; done
case $image in *@*) exit 1 ;; esac
case $* in *'{{.Manifest'*) echo "Name:      $image" && exit ;; esac
printf sha256:; printf %s "$image$GENERATION" | sha256sum | cut -c1-64
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("docker", "cvat_serverless"):
        (tmp_path / "project" / folder).mkdir(parents=True)
    (tmp_path / "programs").mkdir()
    for name in (*FILES, "docker/pin-images"):
        shutil.copy(ROOT / name, tmp_path / "project" / name)
    (tmp_path / "programs/docker").write_text(REGISTRY)
    (tmp_path / "programs/docker").chmod(0o755)
    return tmp_path / "project"


def pin(project: Path, *options: str, generation: str = "") -> subprocess.CompletedProcess[str]:
    path = f"{project.parent}/programs:{os.environ['PATH']}"
    return subprocess.run(
        [project / "docker/pin-images", *options],
        env={"PATH": path, "GENERATION": generation},
        capture_output=True,
        text=True,
        check=False,
    )


def images(project: Path) -> set[str]:
    """Those that are not built here."""
    found = set()
    for name in DOCKERFILES:
        found |= set(re.findall("^ARG PYTHON_IMAGE=(.*)$", (project / name).read_text(), re.MULTILINE))
    for name in COMPOSE_FILES:
        services = yaml.safe_load((project / name).read_text())["services"].values()
        found |= {service["image"] for service in services if "image" in service}
    return {image for image in found if not image.startswith("ritm-")}


def pinned(tag: str, generation: str = "") -> str:
    return f"{tag}@sha256:{hashlib.sha256((tag + generation).encode()).hexdigest()}"


def test_every_image_gets_its_digest_and_a_newer_one_later(project: Path) -> None:
    tags = {image.partition("@")[0] for image in images(project)}
    assert len(tags) > 6
    for generation in ("", "later"):
        before = [(project / name).read_text() for name in FILES]
        assert pin(project, "--check", generation=generation).returncode == 1
        assert [(project / name).read_text() for name in FILES] == before
        done = pin(project, generation=generation)
        assert done.returncode == 0, done.stderr
        assert images(project) == {pinned(tag, generation) for tag in tags}
        assert pin(project, "--check", generation=generation).returncode == 0
    kept = [re.sub("@sha256:[0-9a-f]{64}", "", (project / name).read_text()) for name in FILES]
    assert kept == [re.sub("@sha256:[0-9a-f]{64}", "", (ROOT / name).read_text()) for name in FILES]


def test_what_is_no_digest_is_not_written(project: Path) -> None:
    (project.parent / "programs/docker").write_text("#!/bin/sh\necho unknown\n")
    before = [(project / name).read_text() for name in FILES]
    done = pin(project)
    assert (done.returncode, "named no digest, but 'unknown'" in done.stderr) == (1, True)
    assert [(project / name).read_text() for name in FILES] == before
