"""The files that Docker reads: linted, complete, and as careful as docs/security.md says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from processes import require
from rq import Worker
from stack_files import COMPOSE, GPU, OURS, ROOT, SERVICES, TLS, env_of

from cvat_serverless.settings import CvatSettings
from ritm_backend.settings import Settings
from training.settings import TrainingSettings
from training.worker import PATIENCE_SECONDS


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
        "docker/pin-images",
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
@pytest.mark.parametrize(
    "files", ["docker-compose.yml", "docker-compose.yml:docker-compose.tls.yml:docker-compose.cvat.yml"]
)
def test_compose_accepts_the_file_with_what_make_env_makes(made: Path, files: str, port: str) -> None:
    require(shutil.which("docker-compose") is not None, "no docker-compose on this machine")
    profiles = ["--profile", "cpu", "--profile", "two-gpus", "--profile", "monitoring"]
    done = subprocess.run(
        ["docker-compose", *profiles, "config", "--quiet"],
        cwd=made,
        env={
            "PATH": os.environ["PATH"],
            "COMPOSE_FILE": files,
            "PUBLIC_HOST": "labels.example.com",
            "CVAT_HOST": "https://app.cvat.ai",
            "BACKEND_PORT": port,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_variable_of_the_compose_files_is_in_the_example() -> None:
    text = "".join((ROOT / f"docker-compose{part}.yml").read_text() for part in ("", ".tls", ".cvat"))
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    assert used == set(env_of(ROOT / ".env.example"))


def test_the_page_says_which_service_each_variable_of_the_example_is_for() -> None:
    """Those with GPUs stand under the name of the service whose place they take."""
    used: dict[str, set[str]] = {}
    for name, service in [*SERVICES.items(), *TLS.items()]:
        texts = json.dumps({key: value for key, value in service.items() if key != "build"})
        used.setdefault(re.sub("-gpu(-2)?$", "", name), set()).update(re.findall(r"(?<!\$)\$\{(\w+)", texts))
    used["all"] = set.intersection(*used.values())
    page = (ROOT / "docs/settings.md").read_text()
    (table,) = re.findall(r"^\| service .*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    said = {}
    for line in table.splitlines():
        _, services, _, variables, _ = line.split("|")
        said |= {name.strip(): set(re.findall(r"`(\w+)`", variables)) for name in services.split(",")}
    in_front = {"COMPOSE_FILE"}  # Compose itself reads it
    assert set().union(*said.values()) == set(env_of(ROOT / ".env.example")) - in_front
    assert said == {
        name: variables - (set() if name == "all" else used["all"])
        for name, variables in used.items()
        if name == "all" or variables - used["all"]
    }


def test_settings_of_our_services_exist() -> None:
    known = {name for settings in (Settings, TrainingSettings) for name, _ in settings.variables()}
    known |= {name.upper() for name in CvatSettings.model_fields}
    for name in OURS:
        variables = SERVICES[name]["environment"]
        given = {key.removesuffix("_FILE") for key in variables if key.startswith("RITM_")}
        assert given <= known, name


def test_every_setting_reaches_our_services_or_is_said_to_be_set_by_the_stack() -> None:
    page = (ROOT / "docs/deploy/docker.md").read_text()
    (table,) = re.findall(r"^\| set by the stack .*\n(?:\|.*\n)+", page, re.MULTILINE)
    said = {name for line in table.splitlines() for name in re.findall(r"`([A-Z_]+)`", line.split("|")[1])}
    settings = {name for each in (Settings, TrainingSettings) for name, _ in each.variables()}
    given: set[str] = set()
    for name in OURS:
        assert SERVICES[name]["env_file"] == ["ritm.env"], name
        given |= {key.removesuffix("_FILE") for key in SERVICES[name]["environment"]} & settings
    assert given == said, "the rest comes through ritm.env"
    assert "/ritm.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_only_pages_for_people_are_published_and_on_this_machine_by_default() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.pop("tls") == ["80:8080", "443:8443", "9443:9443"], (
        "with TLS, and where that is asked for; 9090 has none"
    )
    assert set(published) == {"label-studio", "backend", "backend-gpu", "backend-gpu-2", "grafana"}
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
        "setup": {"LABEL_STUDIO_HOST"},
        "backend": {"RITM_PUBLIC_HOSTS"},
        "backend-gpu": {"RITM_PUBLIC_HOSTS"},
        "backend-gpu-2": {"RITM_PUBLIC_HOSTS"},
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
    # Docker refuses more than there are: one is there everywhere, and more is for administrators to say.
    assert re.fullmatch(r"1|\$\{[A-Z_]+_CPUS:-0\}", str(service["cpus"]))
    assert service["logging"]["options"]["max-size"]
    assert service["restart"] in ("unless-stopped", "no")
    assert service["networks"]
    assert "TZ" in service["environment"]


@pytest.mark.parametrize("name", SERVICES)
def test_whatever_stays_has_a_health_check(name: str) -> None:
    ends_or_is_of_others = name in ("setup", "cvat-agent")  # the loop of an agent is CVAT's own
    has_one_in_its_image = name.startswith("backend")
    assert ends_or_is_of_others or has_one_in_its_image or SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", ["worker", "worker-gpu", "scheduler"])
def test_the_health_check_looks_at_the_file_that_is_renewed(name: str) -> None:
    *command, file, seconds = SERVICES[name]["healthcheck"]["test"]
    assert command == ["CMD", "python", "-m", "ritm_ops.alive"]
    assert file == SERVICES[name]["environment"]["RITM_FINETUNE_ALIVE"]
    assert Path(file).parent == Path("/tmp"), "where a new container finds no old file"
    # In Redis' absence, the worker may be silent for its patience and then for RQ's longest pause.
    heartbeat = TrainingSettings.model_fields["heartbeat_seconds"].default
    assert float(seconds) > PATIENCE_SECONDS + Worker.max_connection_wait_time + heartbeat


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
        profiles = set(SERVICES[name].get("profiles", ()))
        assert "profiles" not in builder or profiles <= set(builder["profiles"]), name


def test_services_reach_only_what_they_need() -> None:
    networks = {name: set(service["networks"]) for name, service in SERVICES.items()}
    assert COMPOSE["networks"]["data"]["internal"] is True
    assert all(networks[name] == {"data"} for name in ("postgres", "redis", "objects", "scheduler"))
    assert {name for name in networks if "people" in networks[name]} == {
        name for name, service in SERVICES.items() if "ports" in service
    }


@pytest.mark.parametrize("name", ["backend", "backend-gpu", "backend-gpu-2"])
def test_there_may_be_any_number_of_backends(name: str) -> None:
    backend = SERVICES[name]
    assert "container_name" not in backend
    assert backend["ports"] == ["${BIND:-127.0.0.1}:${BACKEND_PORT:-9090}:9090"], "a range is taken, too"
    assert backend["networks"]["services"]["aliases"] == ["backend", "backend.internal"]
    assert (
        f"http://{backend['networks']['services']['aliases'][1]}:9090"
        == env_of(ROOT / ".env.example")["BACKEND_URL"]
    )
    folder = Path(backend["environment"]["RITM_PROJECTS_FOLDER"])
    assert Path("/data") in folder.parents, "the volume that all of them have"
    assert "services" in TLS["tls"]["networks"], "the one network where both names are `backend`"
    backends, _ = yaml.safe_load((ROOT / "docker/prometheus.yml").read_text())["scrape_configs"]
    assert [each["names"] for each in backends["dns_sd_configs"]] == [["backend"]]


def test_prometheus_reaches_the_agent_of_cvat_where_it_listens() -> None:
    agent = SERVICES["cvat-agent"]
    _, agents = yaml.safe_load((ROOT / "docker/prometheus.yml").read_text())["scrape_configs"]
    (found,) = agents["dns_sd_configs"]
    assert found["names"] == ["cvat-agent"]
    assert found["port"] == agent["environment"]["RITM_METRICS_PORT"]
    assert set(agent["networks"]) & set(SERVICES["prometheus"]["networks"])
    assert "ports" not in agent


@pytest.mark.parametrize("name", GPU)
def test_a_missing_driver_is_an_error(name: str) -> None:
    assert SERVICES[name]["environment"]["RITM_DEVICE"] == "cuda"


def test_each_service_takes_the_gpu_that_its_setting_names() -> None:
    taken = []
    for name in GPU:
        (device,) = SERVICES[name]["deploy"]["resources"]["reservations"]["devices"]
        assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
        taken += device["device_ids"]
    assert taken == ["${BACKEND_GPU:-0}", "${BACKEND_GPU_2:-1}", "${WORKER_GPU:-0}"]


def test_the_page_says_what_the_pinned_build_needs_of_a_gpu() -> None:
    (pinned,) = re.findall(r"^torch==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    page = (ROOT / "docs/deploy/docker.md").read_text()
    assert f"torch {pinned} is built with CUDA" in page, "look up anew what it needs"
    if torch.version.cuda and torch.__version__.startswith(pinned):
        assert f"torch {pinned} is built with CUDA {torch.version.cuda}:" in page


def test_the_object_store_finds_room_on_small_disks() -> None:
    """It makes as many volumes as fit on the disk, less one, and seven for a bucket."""
    (size,) = (word for word in SERVICES["objects"]["entrypoint"] if "volumeSizeLimitMB" in word)
    assert int(size.partition("=")[2]) * 8 < 10_000


def test_of_the_object_store_only_s3_can_be_reached() -> None:
    """Its filer and its administration read and write for everybody who reaches them."""
    words = SERVICES["objects"]["entrypoint"]
    addresses = {word for word in words if re.match(r"-(\w+\.)?(ip|port)\b", word)}
    assert addresses == {
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-s3.ip.bind=0.0.0.0",
        "-s3.port=8333",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    }
    assert {"-s3.config=/run/secrets/s3-users", "-s3.iam=false"} < set(words)


def test_others_tell_their_makers_nothing() -> None:
    assert "-master.telemetry=false" in SERVICES["objects"]["entrypoint"]
    assert SERVICES["grafana"]["environment"]["GF_ANALYTICS_REPORTING_ENABLED"] == "false"
    told = ("COLLECT_ANALYTICS", "LATEST_VERSION_CHECK", "SENTRY_DSN", "FRONTEND_SENTRY_DSN")
    assert [SERVICES["label-studio"]["environment"][name] for name in told] == ["false", "false", "", ""]


def test_images_run_as_nobody_in_particular() -> None:
    text = (ROOT / "docker/Dockerfile").read_text()
    assert re.findall(r"^USER (.*)$", text, flags=re.MULTILINE) == ["10001"]
    assert not re.search(r"PASS|SECRET|TOKEN|API_KEY", text)
