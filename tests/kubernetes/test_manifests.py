"""deploy/kubernetes: what kustomize makes of it is valid, and agrees with images, settings and the stack."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kustomized import ROOT, Manifests, container_of, environment_of, pod_of

from ritm_backend.settings import Settings
from training.settings import TrainingSettings

OURS = {"ritm-backend": Settings, "ritm-worker": TrainingSettings, "ritm-scheduler": TrainingSettings}
WORKLOADS = [*OURS, "ritm-redis"]
OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_field(manifests: Manifests, version: str) -> None:
    for each in manifests.values():
        validate(json.dumps(each), version)


@functools.cache  # most objects are the same however they are deployed
def validate(manifest: str, version: str) -> None:
    kubernetes_validate.validate(json.loads(manifest), version, strict=True)


def test_a_field_that_kubernetes_does_not_know_is_found(manifests: Manifests) -> None:
    broken = yaml.safe_load(yaml.safe_dump(manifests["Deployment", "ritm-backend"]))
    broken["spec"]["template"]["spec"]["terminationGracePeriod"] = 45
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGracePeriod"):
        kubernetes_validate.validate(broken, NEWEST, strict=True)


def test_everything_lies_in_the_namespace(manifests: Manifests) -> None:
    for (kind, name), each in manifests.items():
        assert kind == "Namespace" or each["metadata"].get("namespace") == "ritm", f"{kind} {name}"


@pytest.mark.parametrize("name", OURS)
def test_settings_exist_and_are_accepted(
    name: str, manifests: Manifests, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = OURS[name]
    known = {variable for kind in OURS.values() for variable, _ in kind.variables()}
    fields = zip(settings.variables(), settings.model_fields.values(), strict=True)
    secret = {f"{variable}_FILE" for (variable, _), info in fields if "SecretStr" in str(info.annotation)}
    for variable, value in environment_of(manifests, name).items():
        assert variable in known | secret or not variable.startswith("RITM_"), f"{variable} is no setting"
        if variable in secret:
            (tmp_path / variable).write_text("redis://:secret@ritm-redis:6379/0\n")
        monkeypatch.setenv(variable, str(tmp_path / variable) if variable in secret else value)
    assert settings.from_environment()


@pytest.mark.parametrize("name", OURS)
def test_what_the_stack_sets_is_set_here_too(name: str, manifests: Manifests) -> None:
    given = environment_of(manifests, name)
    stack = COMPOSE[name.removeprefix("ritm-")]["environment"]
    there = {variable for variable, value in stack.items() if not value.endswith(":-}")}  # what may be empty
    there -= {"RITM_PROJECTS_FOLDER"}  # pods share no folder, unless there is the component of that name
    assert there <= set(given) | {variable.removesuffix("_FILE") for variable in given}


def test_what_may_be_set_starts_as_in_the_stack(manifests: Manifests) -> None:
    given = environment_of(manifests, "ritm-backend")
    example = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
    assert given["RITM_MODEL"] == example["RITM_MODEL"]
    assert given["TZ"] == example["TZ"]
    assert given["RITM_FINETUNE_SCHEDULE"] == example["FINETUNE_SCHEDULE"]
    assert given["RITM_FINETUNE_AFTER"] == example["FINETUNE_AFTER"]
    assert given["RITM_FINETUNE_PUBLISHING"] == example["PUBLISHING"]
    assert given["BASIC_AUTH_USER"] == COMPOSE["backend"]["environment"]["BASIC_AUTH_USER"]


@pytest.mark.parametrize("name", WORKLOADS)
def test_pods_may_do_little(name: str, manifests: Manifests) -> None:
    """What the level "restricted" of Pod Security asks for, and more."""
    pod, container = pod_of(manifests, name), container_of(manifests, name)
    (user,) = re.findall(r"^USER (\d+)$", DOCKERFILE, flags=re.MULTILINE)
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert {security["runAsUser"], security["runAsGroup"], security["fsGroup"]} == {int(user)}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert {next(iter(set(volume) - {"name"})) for volume in pod["volumes"]} <= {
        "emptyDir",
        "secret",
        "persistentVolumeClaim",
    }
    assert all("sizeLimit" in volume.get("emptyDir", {"sizeLimit": None}) for volume in pod["volumes"])


@pytest.mark.parametrize("name", WORKLOADS)
def test_pods_are_bounded_and_have_where_to_write(name: str, manifests: Manifests) -> None:
    container = container_of(manifests, name)
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert {"cpu", "memory"} <= set(container["resources"]["limits"])
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert "/tmp" in mounts
    assert "/data" in mounts or name == "ritm-scheduler"
    volumes = {volume["name"] for volume in pod_of(manifests, name)["volumes"]} | {"data"}
    assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


def test_limits_of_memory_are_those_of_the_stack(manifests: Manifests) -> None:
    example = dict(re.findall(r"^(\w+_MEMORY)=(\d+)g$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    for name, gigabytes in (("backend", example["BACKEND_MEMORY"]), ("worker", example["WORKER_MEMORY"])):
        assert container_of(manifests, f"ritm-{name}")["resources"]["limits"]["memory"] == f"{gigabytes}Gi"


def test_time_to_end_is_that_of_the_stack(manifests: Manifests) -> None:
    backend, worker = pod_of(manifests, "ritm-backend"), pod_of(manifests, "ritm-worker")
    (pause,) = container_of(manifests, "ritm-backend")["lifecycle"]["preStop"]["exec"]["command"][1:]
    stack = int(COMPOSE["backend"]["stop_grace_period"].removesuffix("s"))
    assert backend["terminationGracePeriodSeconds"] == int(pause) + stack
    assert COMPOSE["worker"]["stop_grace_period"] == "2m"
    assert worker["terminationGracePeriodSeconds"] == 120


def test_commands_and_ports_are_those_of_the_images(manifests: Manifests) -> None:
    (port,) = re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, flags=re.MULTILINE)
    backend = container_of(manifests, "ritm-backend")
    assert backend["ports"] == [{"name": "http", "containerPort": int(port)}]
    assert environment_of(manifests, "ritm-backend")["RITM_PORT"] == port
    assert backend["args"] == ["serve"]
    assert container_of(manifests, "ritm-worker")["args"] == ["worker"]
    assert container_of(manifests, "ritm-scheduler")["args"] == COMPOSE["scheduler"]["command"]
    assert container_of(manifests, "ritm-redis")["image"] == COMPOSE["redis"]["image"]
    for name in OURS:
        assert container_of(manifests, name)["image"].rpartition(":")[2] in ("cpu", "gpu")
    (service,) = manifests["Service", "ritm-backend"]["spec"]["ports"]
    assert (service["port"], service["targetPort"]) == (int(port), "http")


def test_the_backend_answers_to_the_names_of_its_service(manifests: Manifests) -> None:
    names = environment_of(manifests, "ritm-backend")["RITM_PUBLIC_HOSTS"].split(",")
    service = manifests["Service", "ritm-backend"]["metadata"]
    assert f"{service['name']}.{service['namespace']}.svc.cluster.local" in names


def test_a_gpu_is_reserved_where_one_is_asked_for(manifests: Manifests) -> None:
    for name in ("ritm-backend", "ritm-worker"):
        asks = environment_of(manifests, name)["RITM_DEVICE"] == "cuda"
        assert asks == (container_of(manifests, name)["image"].endswith(":gpu"))
        assert container_of(manifests, name)["resources"]["limits"].get("nvidia.com/gpu") == (
            1 if asks else None
        )
