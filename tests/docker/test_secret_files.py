"""Passwords, tokens and keys: made by docker/make-env, and seen by the services that use them."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import redis
from processes import require, running, wait_until
from stack_files import COMPOSE, ROOT, SERVICES, env_of, files_in


def test_make_env_makes_secrets_of_its_own_and_keeps_what_is_there(made: Path) -> None:
    first, files = env_of(made / ".env"), files_in(made / "secrets")
    generated = {name for name, value in env_of(ROOT / ".env.example").items() if value == "generated"}
    assert generated == {"LABEL_STUDIO_PASSWORD", "LABEL_STUDIO_TOKEN", "POSTGRES_PASSWORD"}
    passwords = [first[name] for name in generated]
    passwords += [
        files[name] for name in ("redis-password", "backend-password", "webhook-secret", "grafana-password")
    ]
    passwords += re.findall("aws_secret_access_key = (.*)", files["s3-credentials"])
    assert all(re.fullmatch("[0-9a-f]{40}", password) for password in passwords)
    assert len(set(passwords)) == len(passwords) == 8
    assert (made / ".env").stat().st_mode & 0o077 == 0
    (made / "secrets/backend-password").unlink()
    again = subprocess.run([made / "docker/make-env"], capture_output=True, text=True, check=True)
    assert again.stdout.splitlines() == [
        ".env is there already, and stays as it is.",
        "Made secrets/backend-password.",
    ]
    assert env_of(made / ".env") == first
    now = files_in(made / "secrets")
    assert now.pop("backend-password") != files.pop("backend-password")
    assert now == files


def test_secrets_lie_in_files_that_containers_may_read(made: Path) -> None:
    folder, variables = made / "secrets", env_of(made / ".env")
    assert folder.stat().st_mode & 0o077 == 0
    files = files_in(folder)
    assert all((folder / name).stat().st_mode & 0o777 == 0o444 for name in files)
    password = files["redis-password"]
    assert files["redis-url"] == f"redis://:{password}@redis:6379/0"
    assert files["session-store"] == f"redis://:{password}@redis:6379/1"
    assert files["postgres-password"] == variables["POSTGRES_PASSWORD"]
    assert files["label-studio-token"] == variables["LABEL_STUDIO_TOKEN"]
    (user,) = json.loads(files["s3-users.json"])["identities"]
    (access,) = user["credentials"]
    keys = configparser.ConfigParser()
    keys.read_string(files["s3-credentials"])
    assert dict(keys["default"]) == {
        "aws_access_key_id": access["accessKey"],
        "aws_secret_access_key": access["secretKey"],
    }
    assert {secret["file"] for secret in COMPOSE["secrets"].values()} == {
        f"./secrets/{name}" for name in files
    }
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_what_earlier_versions_had_in_variables_goes_into_files(made: Path) -> None:
    earlier = {
        "BACKEND_PASSWORD": "one",
        "GRAFANA_PASSWORD": "'two words'",
        "WEBHOOK_SECRET": '"three"',
        "S3_ACCESS_KEY": "four",
        "S3_SECRET_KEY": "five",
        "LABEL_STUDIO_TOKEN": "six",
        "POSTGRES_PASSWORD": "se=ven",
    }
    shutil.rmtree(made / "secrets")
    (made / ".env").write_text("".join(f"{name}={value}\n" for name, value in earlier.items()))
    subprocess.run([made / "docker/make-env"], capture_output=True, check=True)
    files = files_in(made / "secrets")
    names = ("backend", "grafana", "postgres")
    assert [files[f"{name}-password"] for name in names] == ["one", "two words", "se=ven"]
    assert (files["webhook-secret"], files["label-studio-token"]) == ("three", "six")
    assert re.findall("= (.*)", files["s3-credentials"]) == ["four", "five"]
    assert env_of(made / ".env") == earlier


def test_redis_takes_its_password_from_the_file_and_shows_it_to_nobody(made: Path) -> None:
    """The script in a real Redis; that of the image, which only changes the user, is left out."""
    require(shutil.which("redis-server") is not None, "no redis-server on this machine")
    (made / "data").mkdir()
    image = made / "docker-entrypoint.sh"
    image.write_text(f'#!/bin/sh\nexec "$@" --port 0 --unixsocket {made}/socket\n')
    image.chmod(0o755)
    script = (made / "docker/redis.sh").read_text()
    script = script.replace("/run/secrets", f"{made}/secrets").replace("dir /data", f"dir {made}/data")
    (made / "redis.sh").write_text(script)
    command = ["/bin/sh", made / "redis.sh"]
    password = (made / "secrets/redis-password").read_text()
    with (
        running(command, {"PATH": f"{made}:{os.environ['PATH']}"}, made / "redis.log") as server,
        redis.Redis(unix_socket_path=f"{made}/socket", password=password) as client,
    ):
        wait_until((made / "socket").exists, "Redis", within_s=30, server=server)
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "volatile-lru"
        with (
            pytest.raises(redis.AuthenticationError),
            redis.Redis(unix_socket_path=f"{made}/socket") as other,
        ):
            other.ping()
        assert password not in Path(f"/proc/{server.process.pid}/cmdline").read_text()


def test_secrets_are_in_no_file_that_is_kept() -> None:
    for name, service in SERVICES.items():
        for key, value in (service.get("environment") or {}).items():
            if re.search("PASS|SECRET|TOKEN|API_KEY", key) and not isinstance(value, bool):
                is_elsewhere = "${" in str(value) or str(value).startswith("/run/secrets/")
                assert is_elsewhere or value in ("true", "false"), f"{name}: {key}"
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
    assert "!.env" not in (ROOT / ".dockerignore").read_text()


def test_services_get_only_the_secrets_that_they_use() -> None:
    """None by variables but Label Studio's, and of the files those that it reads."""
    variables = {
        name: set(
            re.findall(r"(?<!\$)\$\{(\w*(?:PASS|SECRET|TOKEN|KEY)\w*)", json.dumps(service["environment"]))
        )
        for name, service in SERVICES.items()
    }
    assert {name: found for name, found in variables.items() if found} == {
        "label-studio": {"LABEL_STUDIO_PASSWORD", "LABEL_STUDIO_TOKEN", "POSTGRES_PASSWORD"}
    }
    mounted = {"redis": "docker/redis.sh", "prometheus": "docker/prometheus.yml"}
    for name, service in SERVICES.items():
        asked = json.dumps({key: value for key, value in service.items() if key != "secrets"})
        asked += (ROOT / mounted[name]).read_text() if name in mounted else ""
        read = set(re.findall(r"/run/secrets/([\w-]+)", asked))
        assert read == set(service.get("secrets", ())), name
    holders = {
        secret: {name for name, service in SERVICES.items() if secret in service.get("secrets", ())}
        for secret in COMPOSE["secrets"]
    }
    backends, workers = {"backend", "backend-gpu", "backend-gpu-2"}, {"worker", "worker-gpu"}
    assert holders["postgres-password"] == {"postgres"}
    assert holders["webhook-secret"] == {"setup"} | backends
    assert holders["backend-password"] == {"setup", "prometheus"} | backends
    assert holders["label-studio-token"] == {"setup"} | backends | workers
    assert holders["s3-credentials"] == holders["label-studio-token"] | {"cvat-agent"}
    assert holders["session-store"] == backends | {"cvat-agent"}
    assert holders["s3-users"] == {"objects"}
    assert SERVICES["scheduler"]["secrets"] == ["redis-url"]
