"""deploy/kubernetes: what one object names of another is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from kustomized import KUBERNETES, ROOT, Manifests, container_of, environment_of, pod_of
from processes import require
from prometheus_client.parser import text_string_to_metric_families

from ritm_backend.metrics import Metrics
from ritm_backend.model_host import ModelHost
from ritm_backend.pipelines import ModelHosts
from ritm_ops.admission import Admission

PAGE = (ROOT / "docs/deploy/kubernetes.md").read_text()
WORKLOADS = ("ritm-backend", "ritm-worker", "ritm-scheduler", "ritm-redis")


def labels_of(manifests: Manifests, name: str) -> dict[str, str]:
    kind = "Deployment" if ("Deployment", name) in manifests else "StatefulSet"
    labels: dict[str, str] = manifests[kind, name]["spec"]["template"]["metadata"]["labels"]
    return labels


def selected(manifests: Manifests, selector: dict[str, Any]) -> set[str]:
    """The workloads whose pods a selector of labels names."""
    found = set()
    for name in WORKLOADS:
        labels = labels_of(manifests, name)
        wanted = selector.get("matchLabels", {}).items() <= labels.items()
        asked = selector.get("matchExpressions", [])
        if wanted and all(labels.get(each["key"]) in each["values"] for each in asked):
            found.add(name)
    return found


@pytest.mark.parametrize("name", WORKLOADS)
def test_volumes_accounts_and_settings_exist(name: str, manifests: Manifests) -> None:
    pod, container = pod_of(manifests, name), container_of(manifests, name)
    assert ("ServiceAccount", pod["serviceAccountName"]) in manifests
    for volume in pod["volumes"]:
        if "persistentVolumeClaim" in volume:
            assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in manifests
    names = {each["metadata"]["name"] for (kind, _), each in manifests.items() if kind == "ConfigMap"}
    assert {each["configMapRef"]["name"] for each in container.get("envFrom", [])} <= names


@pytest.mark.parametrize("name", WORKLOADS)
def test_files_of_secrets_are_mounted_and_only_those_that_are_read(name: str, manifests: Manifests) -> None:
    pod, container = pod_of(manifests, name), container_of(manifests, name)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounted = set()
    for mount in container["volumeMounts"]:
        for item in volumes.get(mount["name"], {}).get("secret", {}).get("items", []):
            mounted.add(f"{mount['mountPath']}/{item['path']}")
            assert item["key"] == item["path"]
    said = yaml.safe_dump([container.get("env"), container.get("args")])
    assert mounted == set(re.findall(r"/run/secrets/ritm/[\w-]+", said))


def test_the_page_makes_every_secret_that_is_mounted(manifests: Manifests) -> None:
    wanted = {
        item["key"]
        for name in WORKLOADS
        for volume in pod_of(manifests, name)["volumes"]
        for item in volume.get("secret", {}).get("items", [])
    }
    command = PAGE.partition("create secret generic ritm ")[2].partition("create secret")[0]
    assert set(re.findall(r"--from-(?:file|literal)=([\w-]+)=", command)) == wanted
    assert not any(kind == "Secret" for kind, _ in manifests), "secrets are made by hand, and not kept here"


def test_services_lead_to_pods(manifests: Manifests) -> None:
    for (kind, name), each in manifests.items():
        if kind == "Service":
            assert selected(manifests, {"matchLabels": each["spec"]["selector"]}) == {name}
            ports = {port["name"] for port in container_of(manifests, name)["ports"]}
            assert {port["targetPort"] for port in each["spec"]["ports"]} <= ports


@pytest.mark.parametrize("name", ["ritm-backend", "ritm-redis"])
def test_probes_ask_ports_that_are_open(name: str, manifests: Manifests) -> None:
    container = container_of(manifests, name)
    ports = {port["name"] for port in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe].get("httpGet")
        assert asked is None or asked["port"] in ports


@pytest.mark.parametrize(("name", "service"), [("ritm-worker", "worker"), ("ritm-scheduler", "scheduler")])
def test_a_process_without_a_port_is_probed_as_in_the_stack(
    name: str, service: str, manifests: Manifests
) -> None:
    command = container_of(manifests, name)["livenessProbe"]["exec"]["command"]
    stack = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]
    assert ["CMD", *command] == stack["healthcheck"]["test"]
    assert command[-2] == environment_of(manifests, name)["RITM_FINETUNE_ALIVE"]


def test_replicas_can_come_and_go(manifests: Manifests) -> None:
    scaler = manifests["HorizontalPodAutoscaler", "ritm-backend"]["spec"]
    budget = manifests["PodDisruptionBudget", "ritm-backend"]["spec"]
    deployment = manifests["Deployment", "ritm-backend"]["spec"]
    target = scaler["scaleTargetRef"]
    assert (target["kind"], target["name"]) in manifests
    assert "replicas" not in deployment, "each apply would undo what the autoscaler does"
    assert budget["minAvailable"] < scaler["minReplicas"], "else no node can be drained"
    assert selected(manifests, budget["selector"]) == {"ritm-backend"}


def test_autoscaling_follows_a_metric_that_exists(manifests: Manifests) -> None:
    (metric,) = manifests["HorizontalPodAutoscaler", "ritm-backend"]["spec"]["metrics"]
    container = container_of(manifests, "ritm-backend")
    if metric["type"] == "Resource":
        limit = int(container["resources"]["limits"]["cpu"])
        assert int(container["resources"]["requests"]["cpu"]) < limit
        assert int(metric["resource"]["target"]["averageValue"]) < limit
        return
    hosts = ModelHosts(ModelHost(lambda: pytest.fail("not asked"), "none"))
    page = Metrics(hosts, Admission(1, 1)).page().decode()
    families = {family.name for family in text_string_to_metric_families(page)}
    name = metric["pods"]["metric"]["name"]
    (rule,) = yaml.safe_load((KUBERNETES / "monitoring/adapter.yml").read_text())["rules"]
    assert name in families
    assert rule["seriesQuery"].startswith(f"{name}{{")


def test_traffic_is_allowed_where_somebody_listens_and_nowhere_else(manifests: Manifests) -> None:
    policies = {name: each["spec"] for (kind, name), each in manifests.items() if kind == "NetworkPolicy"}
    assert policies["nothing-by-default"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    into: dict[str, set[str]] = {}
    for policy in policies.values():
        for rule in policy.get("ingress", []):
            for name in selected(manifests, policy["podSelector"]):
                open_ports = {port["name"] for port in container_of(manifests, name)["ports"]}
                assert {port["port"] for port in rule["ports"]} <= open_ports
                for source in rule["from"]:
                    into.setdefault(name, set()).update(
                        selected(manifests, source["podSelector"]) if "podSelector" in source else {"others"}
                    )
    clients = {"ritm-backend", "ritm-worker", "ritm-scheduler"}
    assert into == {"ritm-backend": {"others"}, "ritm-redis": clients}
    assert selected(manifests, policies["from-clients-of-redis"]["podSelector"]) == clients
    (rule,) = policies["from-clients-of-redis"]["egress"]
    assert selected(manifests, rule["to"][0]["podSelector"]) == {"ritm-redis"}
    assert selected(manifests, policies["from-readers-of-pictures"]["podSelector"]) == clients - {
        "ritm-scheduler"
    }


def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    program = shutil.which("promtool", path=f"{os.environ['PATH']}{os.pathsep}{ROOT / '.venvs'}")
    require(program is not None, "no promtool on this machine")
    (tmp_path / "password").write_text("secret")
    configuration = yaml.safe_load((KUBERNETES / "monitoring/prometheus.yml").read_text())
    (job,) = configuration["scrape_configs"]
    job["basic_auth"]["password_file"] = str(tmp_path / "password")
    # Debian's promtool is built without the discovery of Kubernetes.
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod", "namespaces": {"names": ["ritm"]}}]
    job["static_configs"] = [{"targets": ["10.0.0.1:9090"]}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    done = subprocess.run(
        [str(program), "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
