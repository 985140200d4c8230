"""docker/backup and docker/restore with a real PostgreSQL and a real S3: all that is lost comes back.

Only Docker is played: what would run in containers runs here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from backend import RITM
from boto3.session import Session
from processes import ROOT, require, running, wait_until
from s3_server import ACCESS, s3_server

from ritm_ops.object_store import ObjectStore, open_store
from ritm_ops.registry import Registry

MODEL = ROOT / "tests/models/h18s-synthetic.safetensors"
PHOTO = ROOT / "tests/samples/images/coins.jpg"


@dataclass(frozen=True)
class Stack:
    """The project's folder with its settings, and what containers are given."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def sql(self, statement: str, database: str = "label_studio") -> str:
        done = self.run(
            "psql", "--username", "label_studio", "--dbname", database, "--tuples-only", "--no-align",
            "--command", statement,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


PATH = os.pathsep.join([os.environ["PATH"], *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])
"""No `PATH` leads to where Debian puts the server of PostgreSQL."""


@contextmanager
def postgres() -> Iterator[Path]:
    """A PostgreSQL that nobody else knows of; yields the folder with its socket."""
    programs = ("initdb", "postgres", "pg_dump", "psql")
    require(all(shutil.which(program, path=PATH) for program in programs), "no PostgreSQL on this machine")
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder = Path(name)
        folder.chmod(0o755)
        # It refuses to run as root.
        other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
        data = folder / "data"
        data.mkdir()
        if other:
            os.chown(data, 65534, 65534)
        options = ["--pgdata", data, "--username", "label_studio", "--auth", "trust", "--no-sync"]
        environment = {"PATH": PATH}
        subprocess.run(
            [*other, "initdb", *options], env=environment, check=True, capture_output=True, timeout=100
        )
        command = [*other, "postgres", "-D", data, "-c", f"unix_socket_directories={data}"]
        command += ["-c", "listen_addresses=", "-c", "fsync=off"]
        with running(command, environment, folder / "postgres.log") as server:
            ask = ["psql", "--host", data, "--username", "label_studio", "--list", "postgres"]
            wait_until(
                lambda: (
                    subprocess.run(ask, env=environment, capture_output=True, check=False).returncode == 0
                ),
                "PostgreSQL",
                within_s=60,
                server=server,
            )
            yield data


@pytest.fixture
def project(tmp_path: Path) -> Stack:
    """The files alone, and a `docker` that runs here what would run in containers."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "docker", folder / "docker")
    shutil.copy(ROOT / ".env.example", folder)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "docker").write_text(
        f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/servers/container_stand_in.py "$@"\n'
    )
    (programs / "docker").chmod(0o755)
    (programs / "ritm").symlink_to(RITM)
    environment = {
        **ACCESS,
        "PATH": f"{programs}:{PATH}",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(tmp_path),
        "PGHOST": str(tmp_path),  # where nobody is
        "STAND_IN": str(tmp_path),
    }
    return Stack(folder, environment)


@pytest.fixture
def stack(project: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The same with the stores, which this process reaches, too."""
    with postgres() as socket, s3_server(tmp_path) as objects:
        project.environment.update(PGHOST=str(socket), AWS_ENDPOINT_URL=objects.url)
        for name, value in project.environment.items():
            monkeypatch.setenv(name, value)
        Session().client("s3").create_bucket(Bucket="ritm")
        yield project


def contents(store: ObjectStore) -> dict[str, bytes]:
    return {entry.key: store.read(entry.key) for entry in store.list()}


def modes(folder: Path) -> dict[str, int]:
    """Who may read the secrets."""
    secrets = folder / "secrets"
    return {str(path.relative_to(folder)): path.stat().st_mode for path in (secrets, *secrets.iterdir())}


def test_what_is_lost_comes_back(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stack.run("docker/make-env").returncode == 0
    settings = {file: (stack.folder / file).read_text() for file in (".env", "secrets/redis-url")}
    may = modes(stack.folder)

    stack.sql("CREATE DATABASE label_studio", "postgres")
    stack.sql("CREATE TABLE annotation (id int, result text); INSERT INTO annotation VALUES (1, 'mask')")
    upload = tmp_path / "files/media/upload/1/coins.jpg"
    upload.parent.mkdir(parents=True)
    shutil.copy(PHOTO, upload)
    assert stack.run("ritm", "objects", "unpack", "s3://ritm", "--make-bucket").returncode == 1, (
        "nothing in it"
    )
    bucket = open_store("s3://ritm")
    bucket.write("images/coins.jpg", PHOTO)
    bucket.write("labels//6", b"{}")  # as Label Studio writes below an empty prefix
    registry = Registry(open_store("s3://ritm/models"))
    version = registry.publish("ritm", MODEL, {})
    registry.promote("ritm", version, None, by="anna", why="it is better")
    before = contents(bucket)

    done = stack.run("docker/backup", tmp_path / "backup")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    again = stack.run("docker/backup", tmp_path / "backup")
    assert (again.returncode, "already" in again.stderr) == (1, True)

    # Another machine.
    stack.sql("DROP DATABASE label_studio", "postgres")
    stack.sql("CREATE DATABASE label_studio", "postgres")
    shutil.rmtree(tmp_path / "files")
    (tmp_path / "files").mkdir()
    (stack.folder / ".env").unlink()
    shutil.rmtree(stack.folder / "secrets")
    (tmp_path / "another").mkdir()
    with s3_server(tmp_path / "another") as objects:
        stack.environment["AWS_ENDPOINT_URL"] = objects.url
        monkeypatch.setenv("AWS_ENDPOINT_URL", objects.url)
        done = stack.run("docker/restore", tmp_path / "backup")
        assert done.returncode == 0, done.stderr
        assert stack.sql("SELECT result FROM annotation WHERE id = 1") == "mask"
        assert upload.read_bytes() == PHOTO.read_bytes()
        assert contents(open_store("s3://ritm")) == before
        live = Registry(open_store("s3://ritm/models")).live("ritm")
        assert live is not None
        assert live.version == version
        assert {file: (stack.folder / file).read_text() for file in settings} == settings
        assert modes(stack.folder) == may, "PostgreSQL and ours read them as other users"

        # In place of what is there: the same, and passwords of the stack stay.
        (stack.folder / ".env").write_text(settings[".env"] + "# of this stack\n")
        stack.sql("UPDATE annotation SET result = 'spoilt'")
        done = stack.run("docker/restore", tmp_path / "backup")
        assert done.returncode == 0, done.stderr
        assert stack.sql("SELECT result FROM annotation") == "mask"
        assert (stack.folder / ".env").read_text().endswith("# of this stack\n")


@pytest.mark.parametrize("part", ["database", "objects.tar", ".env"])
def test_half_a_backup_is_refused_before_anything_is_changed(
    part: str, project: Stack, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    (backup / "secrets").mkdir(parents=True)
    for name in {"database", "files.tar", "objects.tar", ".env"} - {part}:
        (backup / name).touch()
    done = project.run("docker/restore", backup)
    assert done.returncode == 1
    assert f"is no whole backup: {part} is missing" in done.stderr
    assert not (tmp_path / "commands").exists()


def test_a_backup_that_fails_leaves_none(project: Stack, tmp_path: Path) -> None:
    assert project.run("docker/make-env").returncode == 0
    done = project.run("docker/backup", tmp_path / "backup")
    assert done.returncode != 0
    assert "pg_dump" in done.stderr
    assert not (tmp_path / "backup").exists()
