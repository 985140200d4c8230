"""Digests of images, and docker/pin-images with a registry that is played, since no Docker runs here."""

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
MANIFEST = "deploy/kubernetes/base/redis.yaml"
FILES = (*COMPOSE_FILES, *DOCKERFILES, MANIFEST)
# Of this one, no two public records name the same digest; the first who can pull it runs docker/pin-images.
WITHOUT_DIGEST = {"heartexlabs/label-studio:1.23.2"}
REGISTRY = """#!/bin/sh
for image; do :; done
case $image in *@*) exit 1 ;; esac
case $* in *'{{.Manifest'*) echo "Name:      $image" && exit ;; esac
printf sha256:; printf %s "$image$GENERATION" | sha256sum | cut -c1-64
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "programs").mkdir()
    for name in (*FILES, "docker/pin-images"):
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
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
    for manifest in yaml.safe_load_all((project / MANIFEST).read_text()):
        if manifest["kind"] == "StatefulSet":
            found |= {container["image"] for container in manifest["spec"]["template"]["spec"]["containers"]}
    return {image for image in found if not image.startswith("ritm-")}


def pinned(tag: str, generation: str = "") -> str:
    return f"{tag}@sha256:{hashlib.sha256((tag + generation).encode()).hexdigest()}"


def test_every_image_has_a_digest_and_the_same_one_everywhere() -> None:
    digests = {image: re.search("@sha256:[0-9a-f]{64}$", image) for image in images(ROOT)}
    assert {image for image, digest in digests.items() if digest is None} <= WITHOUT_DIGEST
    assert len({image.partition("@")[0] for image in digests}) == len(digests)


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
