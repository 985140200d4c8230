"""What kustomize makes of deploy/kubernetes, in the ways that docs/deploy/kubernetes.md tells of."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml
from processes import require

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy/kubernetes"

Manifests = dict[tuple[str, str], dict[str, Any]]
"""Objects by kind and name, without what is generated of the names of ConfigMaps."""

VARIANTS = {
    "cpu": "",
    "gpu": "",
    "cpu, waiting clicks": "components: [../components/waiting-clicks]\n",
    "cpu, folder": "components: [../components/folder]\n",
}
"""Lines that are added to the example."""


def kustomized(variant: str, folder: Path) -> Manifests:
    """Build the example as it is, or changed as an administrator would."""
    program = shutil.which("kubectl", path=f"{os.environ['PATH']}{os.pathsep}{ROOT / '.venvs'}")
    require(program is not None, "no kubectl on this machine")
    copy = folder / "kubernetes"
    shutil.copytree(KUBERNETES, copy)
    example = copy / "example/kustomization.yaml"
    text = example.read_text().replace("overlays/cpu", f"overlays/{variant.partition(',')[0]}")
    example.write_text(text + VARIANTS[variant])
    done = subprocess.run(
        [str(program), "kustomize", example.parent], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "kustomize warns"
    found: Manifests = {}
    for each in yaml.safe_load_all(done.stdout):
        name = each["metadata"]["name"]
        found[each["kind"], name.rpartition("-")[0] if each["kind"] == "ConfigMap" else name] = each
    return found


def pod_of(manifests: Manifests, name: str) -> dict[str, Any]:
    """The pod that a Deployment or StatefulSet makes."""
    kind = "Deployment" if ("Deployment", name) in manifests else "StatefulSet"
    pod: dict[str, Any] = manifests[kind, name]["spec"]["template"]["spec"]
    return pod


def container_of(manifests: Manifests, name: str) -> dict[str, Any]:
    """The only container of that pod."""
    (container,) = pod_of(manifests, name)["containers"]
    found: dict[str, Any] = container
    return found


def environment_of(manifests: Manifests, name: str) -> dict[str, str]:
    """The variables that its container is given."""
    container = container_of(manifests, name)
    found: dict[str, str] = {}
    for source in container["envFrom"]:
        found |= manifests["ConfigMap", source["configMapRef"]["name"].rpartition("-")[0]]["data"]
    for each in container["env"]:
        limits = container["resources"]["limits"]
        resource = each.get("valueFrom", {}).get("resourceFieldRef", {}).get("resource", "")
        found[each["name"]] = limits[resource.removeprefix("limits.")] if resource else each["value"]
    return found
