"""Dashboards, alerts and the configuration of Prometheus."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from processes import require
from prometheus_client.parser import text_string_to_metric_families
from stack_files import ROOT, SERVICES

from ritm_backend.metrics import Metrics
from ritm_backend.model_host import ModelHost
from ritm_backend.pipelines import ModelHosts
from ritm_ops.admission import Admission


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
