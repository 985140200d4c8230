"""The files that Docker reads: linted, complete, and as careful as docs/security.md says."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from processes import require, running, wait_until
from prometheus_client.parser import text_string_to_metric_families

from cvat_serverless.settings import CvatSettings
from ritm_backend.metrics import Metrics
from ritm_backend.model_host import ModelHost
from ritm_backend.pipelines import ModelHosts
from ritm_backend.settings import Settings
from ritm_ops.admission import Admission
from training.settings import TrainingSettings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
TLS = yaml.safe_load((ROOT / "docker-compose.tls.yml").read_text())["services"]
SERVICES: dict[str, Any] = COMPOSE["services"] | {"tls": TLS["tls"]}
OURS = ("setup", "backend", "worker", "backend-gpu", "worker-gpu", "scheduler")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A copy of the files in which `docker/make-env` has run."""
    for name in ("docker-compose.yml", "docker-compose.tls.yml", ".env.example"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "docker", tmp_path / "docker")
    subprocess.run([tmp_path / "docker/make-env"], check=True, capture_output=True)
    return tmp_path


def env_of(path: Path) -> dict[str, str]:
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("file", ["docker/Dockerfile", "cvat_serverless/Dockerfile"])
def test_hadolint_finds_nothing(file: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), ROOT / file], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "script",
    [
        "docker/backup",
        "docker/restore",
        "docker/make-env",
        "docker/redis.sh",
        "scripts/fetch-kubectl",
        "scripts/fetch-promtool",
    ],
)
def test_shellcheck_finds_nothing(script: str) -> None:
    require(shutil.which("shellcheck") is not None, "no shellcheck on this machine")
    done = subprocess.run(["shellcheck", ROOT / script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("port", ["9090", "9090-9092"])
@pytest.mark.parametrize("files", ["docker-compose.yml", "docker-compose.yml:docker-compose.tls.yml"])
def test_compose_accepts_the_file_with_what_make_env_makes(made: Path, files: str, port: str) -> None:
    require(shutil.which("docker-compose") is not None, "no docker-compose on this machine")
    profiles = ["--profile", "cpu", "--profile", "gpu", "--profile", "monitoring"]
    done = subprocess.run(
        ["docker-compose", *profiles, "config", "--quiet"],
        cwd=made,
        env={
            "PATH": os.environ["PATH"],
            "COMPOSE_FILE": files,
            "PUBLIC_HOST": "labels.example.com",
            "BACKEND_PORT": port,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def files_in(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


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


def test_every_variable_of_the_compose_files_is_in_the_example() -> None:
    text = "".join((ROOT / f"docker-compose{part}.yml").read_text() for part in ("", ".tls"))
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    assert used == set(env_of(ROOT / ".env.example"))


def test_settings_of_our_services_exist() -> None:
    known = {name for settings in (Settings, TrainingSettings) for name, _ in settings.variables()}
    known |= {name.upper() for name in CvatSettings.model_fields}
    for name in OURS:
        variables = SERVICES[name]["environment"]
        given = {key.removesuffix("_FILE") for key in variables if key.startswith("RITM_")}
        assert given <= known, name


def test_secrets_are_in_no_file_that_is_kept() -> None:
    for name, service in SERVICES.items():
        for key, value in (service.get("environment") or {}).items():
            if re.search("PASS|SECRET|TOKEN|API_KEY", key) and not isinstance(value, bool):
                is_elsewhere = "${" in str(value) or str(value).startswith("/run/secrets/")
                assert is_elsewhere or value in ("true", "false"), f"{name}: {key}"
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
    assert "!.env" not in (ROOT / ".dockerignore").read_text()


def test_only_pages_for_people_are_published_and_on_this_machine_by_default() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.pop("tls") == ["80:8080", "443:8443", "9443:9443"], (
        "with TLS, and where that is asked for; 9090 has none"
    )
    assert set(published) == {"label-studio", "backend", "backend-gpu", "grafana"}
    for ports in published.values():
        assert all(port.startswith("${BIND:-127.0.0.1}:") for port in ports)
    assert env_of(ROOT / ".env.example")["BIND"] == "127.0.0.1"


@pytest.mark.parametrize("name", OURS)
def test_our_containers_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service


def test_the_proxy_with_tls_changes_nothing_but_addresses_and_cookies() -> None:
    changed = {name: set(service["environment"]) for name, service in TLS.items() if name != "tls"}
    assert changed == {
        "label-studio": {"LABEL_STUDIO_HOST", "CSRF_TRUSTED_ORIGINS", "SESSION_COOKIE_SECURE"},
        "backend": {"RITM_PUBLIC_HOSTS"},
        "backend-gpu": {"RITM_PUBLIC_HOSTS"},
    }
    assert all(set(service) == {"environment"} for name, service in TLS.items() if name != "tls")
    for name, names in changed.items():
        assert names - {"SESSION_COOKIE_SECURE"} <= set(SERVICES[name]["environment"]), "a proxy of one's own"
    assert "/certificates/" in (ROOT / ".gitignore").read_text().splitlines()


def test_every_image_is_of_a_named_version() -> None:
    for name, service in SERVICES.items():
        tag = service["image"].partition(":")[2]
        assert tag, name
        assert tag != "latest", name


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["logging"]["options"]["max-size"]
    assert service["restart"] in ("unless-stopped", "no")
    assert service["networks"]
    assert "TZ" in service["environment"]


@pytest.mark.parametrize("name", SERVICES)
def test_whatever_answers_others_has_a_health_check(name: str) -> None:
    is_asked_nothing = name == "setup" or name.startswith(("worker", "scheduler"))
    has_one_in_its_image = name.startswith("backend")
    assert is_asked_nothing or has_one_in_its_image or SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_waits_for_setup(name: str) -> None:
    assert "setup" not in SERVICES[name].get("depends_on", ())


def test_every_image_of_ours_is_built_by_one_service_and_pulled_by_none() -> None:
    for image in {SERVICES[name]["image"] for name in OURS}:
        sharing = [SERVICES[name] for name in OURS if SERVICES[name]["image"] == image]
        assert len([service for service in sharing if "build" in service]) == 1, image
        assert all(service["pull_policy"] == "never" for service in sharing if "build" not in service), image


def test_a_shared_image_is_built_in_every_profile_that_uses_it() -> None:
    for name in OURS:
        builder = next(s for s in SERVICES.values() if s["image"] == SERVICES[name]["image"] and "build" in s)
        assert set(SERVICES[name].get("profiles", ())) <= set(builder.get("profiles", ("cpu", "gpu"))), name


def test_services_reach_only_what_they_need() -> None:
    networks = {name: set(service["networks"]) for name, service in SERVICES.items()}
    assert COMPOSE["networks"]["data"]["internal"] is True
    assert all(networks[name] == {"data"} for name in ("postgres", "redis", "objects", "scheduler"))
    assert {name for name in networks if "people" in networks[name]} == {
        name for name, service in SERVICES.items() if "ports" in service
    }


@pytest.mark.parametrize("name", ["backend", "backend-gpu"])
def test_there_may_be_any_number_of_backends(name: str) -> None:
    backend = SERVICES[name]
    assert "container_name" not in backend
    assert backend["ports"] == ["${BIND:-127.0.0.1}:${BACKEND_PORT:-9090}:9090"], "a range is taken, too"
    assert "backend" in backend["networks"]["services"]["aliases"]
    folder = Path(backend["environment"]["RITM_PROJECTS_FOLDER"])
    assert Path("/data") in folder.parents, "the volume that all of them have"
    assert "services" in TLS["tls"]["networks"], "the one network where both names are `backend`"
    (found,) = yaml.safe_load((ROOT / "docker/prometheus.yml").read_text())["scrape_configs"]
    assert [each["names"] for each in found["dns_sd_configs"]] == [["backend"]]


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
    backends, workers = {"backend", "backend-gpu"}, {"worker", "worker-gpu"}
    assert holders["postgres-password"] == {"postgres"}
    assert holders["webhook-secret"] == {"setup"} | backends
    assert holders["backend-password"] == {"setup", "prometheus"} | backends
    assert holders["s3-credentials"] == holders["label-studio-token"] == {"setup"} | backends | workers
    assert holders["s3-users"] == {"objects"}
    assert SERVICES["scheduler"]["secrets"] == ["redis-url"]


@pytest.mark.parametrize("name", ["backend-gpu", "worker-gpu"])
def test_a_missing_driver_is_an_error(name: str) -> None:
    assert SERVICES[name]["environment"]["RITM_DEVICE"] == "cuda"


def test_images_run_as_nobody_in_particular() -> None:
    text = (ROOT / "docker/Dockerfile").read_text()
    assert re.findall(r"^USER (.*)$", text, flags=re.MULTILINE) == ["10001"]
    assert not re.search(r"PASS|SECRET|TOKEN|API_KEY", text)


def metrics_page() -> str:
    hosts = ModelHosts(ModelHost(lambda: pytest.fail("not asked"), "none"))
    return Metrics(hosts, Admission(1, 1)).page().decode()


def test_dashboard_and_alerts_ask_for_metrics_that_exist() -> None:
    page = metrics_page()
    families = {family.name for family in text_string_to_metric_families(page)}
    dashboard = json.loads((ROOT / "docker/grafana/dashboards/ritm.json").read_text())
    (group,) = yaml.safe_load((ROOT / "docker/alerts.yml").read_text())["groups"]
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    warned = [rule["expr"] for rule in group["rules"]]
    assert min(len(shown), len(warned)) > 5
    for expression in shown + warned:
        for name in re.findall(r"ritm_\w+", expression):
            assert re.sub("_(total|bucket|sum|count)$", "", name) in families, expression


def test_every_reason_of_refusal_is_documented_counted_from_0_and_warned_of() -> None:
    page = metrics_page()
    counted = re.findall(r'ritm_refused_total\{reason="(\w+)"\} 0', page)
    warned = re.findall(r'ritm_refused_total\{reason=~?"([\w|]+)"', (ROOT / "docker/alerts.yml").read_text())
    told = re.search(r"refused, by `reason`: ([\w, ]+) \|", (ROOT / "docs/operations.md").read_text())
    given = [
        reason
        for file in (ROOT / "ritm_backend").rglob("*.py")
        for reason in re.findall(
            r'(?:Refusal\(\s*\d+,\s*|metrics\.refused\(|_refuse\(|_tell\(|fault = )"(\w+)"', file.read_text()
        )
    ]
    assert told
    assert set(counted) == set("|".join(warned).split("|")) == set(told[1].split(", ")) == set(given)


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool", path=f"{os.environ['PATH']}{os.pathsep}{ROOT / '.venvs'}")
    require(found is not None, "no promtool on this machine")
    return str(found)


def test_alerts_speak_when_they_should_and_only_then(promtool: str, tmp_path: Path) -> None:
    for file in (ROOT / "docker/alerts.yml", ROOT / "tests/docker/alerts.test.yml"):
        shutil.copy(file, tmp_path)
    cases = yaml.safe_load((tmp_path / "alerts.test.yml").read_text())["tests"]
    (group,) = yaml.safe_load((tmp_path / "alerts.yml").read_text())["groups"]
    tried = [rule for case in cases for rule in case["alert_rule_test"]]
    for is_warned in (False, True):  # each alert is tried both ways
        assert {rule["alert"] for rule in group["rules"]} == {
            rule["alertname"] for rule in tried if ("exp_alerts" in rule) == is_warned
        }
    done = subprocess.run(
        [promtool, "test", "rules", "alerts.test.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_accepts_its_configuration(promtool: str, tmp_path: Path) -> None:
    """As the compose file lays it out: every file that it names is mounted."""
    mounts = [volume.split(":") for volume in SERVICES["prometheus"]["volumes"] if volume.startswith("./")]
    for source, target, _ in mounts:
        text = (ROOT / source).read_text().replace("/etc/prometheus/", f"{tmp_path}/")
        (tmp_path / Path(target).name).write_text(text.replace("/run/secrets", str(tmp_path)))
    (tmp_path / "backend-password").write_text("secret")
    done = subprocess.run(
        [promtool, "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rules = (ROOT / "docker/alerts.yml").read_text().count("- alert:")
    assert f"{rules} rules found" in done.stdout
