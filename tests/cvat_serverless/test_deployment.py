"""The deployment files. Docker and nuctl cannot run here: recorders stand in for both, and what they were
given is checked against what CVAT and Nuclio read."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from cvat_serverless.interactor import MAX_CLICKS
from cvat_serverless.settings import CvatSettings

FOLDER = Path(__file__).parents[2] / "cvat_serverless"
DEFINITIONS = ("function.yaml", "function-gpu.yaml")
ANNOTATIONS_OF_CVAT = {
    "name",
    "type",
    "version",
    "spec",
    "min_pos_points",
    "min_neg_points",
    "startswith_box",
    "startswith_box_optional",
    "animated_gif",
    "help_message",
}

RECORDER = """#!/bin/sh
# Writes down how it was called, and keeps what came through the pipe or the staging folder.
echo "$(basename "$0") $*" >> "$RECORD/calls"
case "$*" in
    "get project"*) exit "${PROJECT_EXISTS:-1}" ;;
    build*) cat > "$RECORD/context.tar" ;;
    deploy*) cp -r "$5" "$RECORD/staging" ;;
esac
"""


def read(name: str) -> dict[str, Any]:
    definition: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return definition


@pytest.mark.parametrize("name", DEFINITIONS)
class TestDefinition:
    def test_cvat_lists_it_as_an_interactor(self, name: str) -> None:
        definition = read(name)
        annotations = definition["metadata"]["annotations"]

        assert definition["metadata"]["labels"] == {"nuclio.io/project-name": "cvat"}
        assert annotations.keys() <= ANNOTATIONS_OF_CVAT
        assert all(isinstance(value, str) for value in annotations.values())
        assert annotations["type"] == "interactor"
        assert int(annotations["version"]) == 2
        assert int(annotations["min_pos_points"]) == 0, "a box alone must be enough"
        assert int(annotations["min_neg_points"]) == 0, "-1 takes negative clicks away"
        assert annotations["startswith_box_optional"] == "true"
        assert "startswith_box" not in annotations, "any text would make the box a must"
        assert definition["spec"]["description"]

    def test_nuclio_can_run_it(self, name: str) -> None:
        spec = read(name)["spec"]
        (trigger,) = spec["triggers"].values()

        assert spec["runtime"] == "python:3.11"
        assert spec["handler"] == "main:handler"
        assert trigger["kind"] == "http"
        assert trigger["numWorkers"] == 1, "sessions live in one worker"
        assert "maxWorkers" not in trigger
        assert all(isinstance(variable["value"], str) for variable in spec["env"])

    def test_limits_fit_the_largest_frames(self, name: str) -> None:
        spec = read(name)["spec"]
        (trigger,) = spec["triggers"].values()
        largest_frame = 4000 * 3000 * 3 * 2

        assert trigger["attributes"]["maxRequestBodySize"] > largest_frame * 4 / 3
        assert trigger["workerAvailabilityTimeoutMilliseconds"] < 30_000 <= 120_000


def test_the_two_definitions_differ_in_the_device_only() -> None:
    cpu, gpu = (read(name) for name in DEFINITIONS)

    assert gpu["spec"]["resources"] == {"limits": {"nvidia.com/gpu": 1, "memory": "8G"}}
    assert {"name": "RITM_DEVICE", "value": "cuda"} in gpu["spec"]["env"]
    for definition in (cpu, gpu):
        for key in ("resources", "env", "build"):
            del definition["spec"][key]
    assert cpu == gpu


@pytest.mark.parametrize("name", DEFINITIONS)
def test_annotators_are_told_of_the_switch_for_boxes(name: str) -> None:
    """It is on by default, so that a first click would draw a box."""
    help_message = read(name)["metadata"]["annotations"]["help_message"]
    docs = (FOLDER.parent / "docs" / "cvat.md").read_text()

    assert "Switch 'Start with a bounding box' off to begin with a click" in help_message
    assert "| My first click draws a box |" in docs


@pytest.mark.parametrize("name", DEFINITIONS)
def test_memory_is_limited_above_what_the_cache_takes(name: str) -> None:
    limit = read(name)["spec"]["resources"]["limits"]["memory"]

    assert int(limit.removesuffix("G")) * 10**9 > 4 * CvatSettings().ritm_cvat_cache_mb * 2**20


def test_the_documentation_has_these_numbers() -> None:
    spec = read("function.yaml")["spec"]
    (trigger,) = spec["triggers"].values()
    docs = (FOLDER.parent / "docs" / "cvat.md").read_text()

    patience = f"{trigger['workerAvailabilityTimeoutMilliseconds']:_}".replace("_", " ")
    for row in (
        f"`numWorkers` | {trigger['numWorkers']} ",
        f"`port` | {trigger['attributes']['port']} ",
        f"`maxRequestBodySize` | {trigger['attributes']['maxRequestBodySize'] // 2**20} MiB ",
        f"`workerAvailabilityTimeoutMilliseconds` | {patience} ",
        f"`eventTimeout` | {spec['eventTimeout'].removesuffix('s')} s ",
        f"`readinessTimeoutSeconds` | {spec['readinessTimeoutSeconds']} ",
    ):
        assert f"| {row}|" in docs
    assert f"more than {MAX_CLICKS} clicks over all of its objects" in docs


def test_threads_equal_the_cpu_limit() -> None:
    spec = read("function.yaml")["spec"]

    assert {"name": "OMP_NUM_THREADS", "value": str(spec["resources"]["limits"]["cpu"])} in spec["env"]


def test_the_script_has_no_shell_mistakes() -> None:
    subprocess.run(["bash", "-n", FOLDER / "deploy.sh"], check=True)
    if shutil.which("shellcheck") is None and os.environ.get("CI") != "true":
        pytest.skip("shellcheck is not installed")
    subprocess.run(["shellcheck", FOLDER / "deploy.sh"], check=True)


def deploy(
    folder: Path, *arguments: str, tools: tuple[str, ...] = ("docker", "nuctl"), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the script with recorders on the path, and no real Docker or Nuclio."""
    binaries = folder / "bin"
    binaries.mkdir()
    for tool in tools:
        (binaries / tool).write_text(RECORDER)
        (binaries / tool).chmod(0o755)
    for program in Path("/usr/bin").iterdir():
        if program.name not in ("docker", "nuctl"):
            (binaries / program.name).symlink_to(program)
    return subprocess.run(
        [FOLDER / "deploy.sh", *arguments],
        env={"PATH": str(binaries), "RECORD": str(folder), **environment},
        capture_output=True,
        text=True,
    )


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_the_cpu_function_is_built_and_deployed(tmp_path: Path) -> None:
    result = deploy(tmp_path, "cpu", "--env", "RITM_CVAT_ANSWER=mask")

    assert result.returncode == 0, result.stderr
    build, look, create, deployed, listed = calls(tmp_path)
    assert build == (
        "docker build --file cvat_serverless/Dockerfile"
        " --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu --tag ritm-cvat-base:cpu -"
    )
    assert look == "nuctl get project cvat --platform local"
    assert create == "nuctl create project cvat --platform local"
    assert deployed.startswith("nuctl deploy --project-name cvat --path ")
    assert '--platform-config {"attributes": {"network": "cvat_cvat"}}' in deployed
    assert deployed.endswith("--env RITM_CVAT_ANSWER=mask")
    assert listed == "nuctl get function --platform local"
    assert read("function.yaml")["spec"]["build"]["baseImage"] == "ritm-cvat-base:cpu"


def test_nuclio_gets_the_entry_point_and_the_definition_alone(tmp_path: Path) -> None:
    deploy(tmp_path, "gpu")

    staged = {path.name: path.read_text() for path in (tmp_path / "staging").iterdir()}
    assert staged == {
        "main.py": (FOLDER / "main.py").read_text(),
        "function.yaml": (FOLDER / "function-gpu.yaml").read_text(),
    }
    staging = calls(tmp_path)[-2].split("--path ")[1].split()[0]
    assert not Path(staging).exists(), "the staging folder is removed"


def test_the_gpu_function_gets_the_cuda_build_of_torch(tmp_path: Path) -> None:
    result = deploy(tmp_path, "gpu", PROJECT_EXISTS="0", CVAT_NETWORK="elsewhere")

    assert result.returncode == 0, result.stderr
    assert "TORCH_INDEX= --tag ritm-cvat-base:gpu" in calls(tmp_path)[0]
    assert not any(call.startswith("nuctl create") for call in calls(tmp_path))
    assert '{"attributes": {"network": "elsewhere"}}' in calls(tmp_path)[-2]
    assert read("function-gpu.yaml")["spec"]["build"]["baseImage"] == "ritm-cvat-base:gpu"


@pytest.mark.parametrize(
    ("arguments", "tools", "sentence"),
    [
        ((), ("docker", "nuctl"), "cpu|gpu"),
        (("tpu",), ("docker", "nuctl"), "cpu|gpu"),
        (("cpu",), ("nuctl",), "docker is not installed"),
        (("cpu",), ("docker",), "nuctl is not installed"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, arguments: tuple[str, ...], tools: tuple[str, ...], sentence: str
) -> None:
    result = deploy(tmp_path, *arguments, tools=tools)

    assert result.returncode == 1
    assert result.stderr.startswith("deploy.sh: ")
    assert sentence in result.stderr
    assert not (tmp_path / "calls").exists()


def test_a_failed_build_deploys_nothing(tmp_path: Path) -> None:
    result = deploy(tmp_path, "cpu", RECORD=str(tmp_path / "missing"))

    assert result.returncode != 0


_SAY_WHERE_MODULES_ARE = """
import sys
sys.path.insert(0, sys.argv[1])
import cvat_serverless.main, ritm_model.cli.main
from importlib.metadata import entry_points
for point in entry_points(group="ritm.commands"):
    point.load()
ours = ("cvat_serverless", "ritm_backend", "ritm_model", "ritm_ops", "training")
print(*(module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] in ours))
"""


@pytest.mark.slow
def test_the_image_holds_everything_that_the_function_needs(tmp_path: Path) -> None:
    """What goes to Docker builds into a distribution with the handler, the model and the data files."""
    deploy(tmp_path, "cpu")
    with tarfile.open(tmp_path / "context.tar") as context:
        context.extractall(tmp_path / "context", filter="data")

    assert (tmp_path / "context" / "cvat_serverless" / "Dockerfile").is_file()
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "."],
        cwd=tmp_path / "context",
        check=True,
    )
    (wheel,) = (tmp_path / "context").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    said = subprocess.run(
        [sys.executable, "-I", "-c", _SAY_WHERE_MODULES_ARE, tmp_path / "installed"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert len(said) > 50
    assert [path for path in said if not path.startswith(str(tmp_path))] == []
    assert list((tmp_path / "installed").rglob("*.safetensors"))
