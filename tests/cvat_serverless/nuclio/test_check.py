"""`ritm cvat check` against a dashboard whose functions really run."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from nuclio_processor import dashboard, deployed, running

from cvat_serverless.check import check_definition
from cvat_serverless.cli import cvat
from cvat_serverless.dashboard import Dashboard, DashboardError

FOLDER = Path(__file__).parents[3] / "cvat_serverless"
ODD = Path(__file__).with_name("odd_function.py")
PAYLOADS = Path(__file__).parents[2] / "payloads" / "cvat"


def check(url: str, *options: str) -> Result:
    return CliRunner().invoke(cvat, ["check", "--dashboard", url, *options])


@contextmanager
def deployment(
    main: Path = ODD, environment: Mapping[str, str] | None = None, **changes: Any
) -> Iterator[str]:
    """A dashboard with one function, defined by our function.yaml."""
    definition = deployed(FOLDER / "function.yaml")
    definition["metadata"]["annotations"] |= changes
    environment = {"PAYLOADS": str(PAYLOADS), "ODD": "echo", **(environment or {})}
    with running(main, environment) as worker, dashboard({"pth-ritm": (definition, worker)}) as url:
        yield url


@pytest.fixture(scope="module", params=["shapes", "mask"])
def our_function(request: pytest.FixtureRequest) -> Iterator[str]:
    environment = {"RITM_DEVICE": "cpu", "RITM_ENGINE": "torch", "RITM_CVAT_ANSWER": request.param}
    with deployment(FOLDER / "main.py", environment) as url:
        yield url


@pytest.mark.slow
def test_our_function_passes_in_both_forms(our_function: str) -> None:
    result = check(our_function)

    assert result.exit_code == 0, result.output
    assert "WRONG" not in result.output
    for name in ("a click", "a box", "a region of interest", "a 16-bit grey frame", "a large frame"):
        assert f"ok    {name}: " in result.output


@pytest.mark.slow
def test_the_findings_come_as_json_too(our_function: str) -> None:
    result = check(our_function, "--function", "pth-ritm", "--json")

    findings = [json.loads(line) for line in result.output.splitlines()]
    click = next(finding for finding in findings if finding["name"] == "a click")
    assert click["ok"]
    assert click["milliseconds"] > 0
    assert click["answer_bytes"] > 0


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("response_bad_bare_polygon", "not iterable"),
        ("response_bad_error_200", "not iterable"),
        ("response_bad_mask_empty_list", "Cannot read properties of undefined"),
        ("response_bad_exclusive_box", "garbage"),
        ("response_bad_polygon_shape", "masks only"),
        ("response_bad_numeric_confidence", "drops all attributes"),
        ("response_bad_type_omitted_with_roi", "no type"),
        ("response_bad_soft_values", "wrong place"),
        ("response_shapes", "wrong place: the pixel"),
        ("response_shapes_empty", "although an object was clicked"),
        ("list", "Status 500"),
        ("exception", "Status 500"),
    ],
)
def test_a_function_that_annotators_would_curse_fails(answer: str, sentence: str) -> None:
    with deployment(environment={"ODD": answer}) as url:
        result = check(url)

    assert result.exit_code == 1
    (line,) = (line for line in result.output.splitlines() if line.startswith("  WRONG a click:"))
    assert sentence in line


def test_an_answer_cannot_write_to_the_terminal() -> None:
    with deployment(environment={"ODD": "escape"}) as url:
        result = check(url)

    line = next(line for line in result.output.splitlines() if line.startswith("  WRONG a click:"))
    assert line.partition(" (")[0].endswith("The answer was: one [2J two")


def test_a_small_body_limit_is_found() -> None:
    definition = deployed(FOLDER / "function.yaml")
    del definition["spec"]["triggers"]["myHttpTrigger"]["attributes"]["maxRequestBodySize"]
    with (
        running(ODD, {"ODD": "response_shapes", "PAYLOADS": str(PAYLOADS)}) as worker,
        dashboard({"pth-ritm": (definition, worker)}) as url,
    ):
        result = check(url)

    (line,) = (line for line in result.output.splitlines() if "a large frame" in line)
    assert line.startswith("  WRONG")
    assert "body size exceeds" in line


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"type": "segmenter"}, "type"),
        ({"version": "1"}, "version"),
        ({"min_neg_points": "none"}, "min_neg_points"),
        ({"startswith_box": "false"}, "startswith_box"),
    ],
)
def test_a_definition_that_cvat_misreads_is_found(changes: dict[str, str], wrong: str) -> None:
    definition = deployed(FOLDER / "function.yaml")
    definition["metadata"]["annotations"] |= changes

    assert [finding.name for finding in check_definition(definition) if not finding.ok] == [wrong]


def test_the_definitions_as_recorded_and_as_ours_are_right() -> None:
    recorded = json.loads((PAYLOADS / "nuclio_function_one.json").read_text())
    for definition in (recorded, deployed(FOLDER / "function.yaml"), deployed(FOLDER / "function-gpu.yaml")):
        assert all(finding.ok for finding in check_definition(definition))


def test_a_missing_description_or_an_unhealthy_state_is_found() -> None:
    definition = deployed(FOLDER / "function.yaml")
    del definition["spec"]["description"]
    definition["status"]["state"] = "unhealthy"

    assert {f.name for f in check_definition(definition) if not f.ok} == {"description", "state"}


class TestFindingTheFunction:
    def test_by_name(self) -> None:
        with deployment() as url:
            assert Dashboard(url).interactor("pth-ritm")["metadata"]["name"] == "pth-ritm"
            with pytest.raises(DashboardError, match="no function 'other'; it has pth-ritm"):
                Dashboard(url).interactor("other")

    def test_the_only_interactor(self) -> None:
        with (
            deployment(type="detector") as url,
            pytest.raises(DashboardError, match="no interactor; it has p"),
        ):
            Dashboard(url).interactor()

    def test_one_of_several_must_be_named(self) -> None:
        definition = deployed(FOLDER / "function.yaml")
        with (
            running(ODD, {"ODD": "echo"}) as worker,
            dashboard({"a": (definition, worker), "b": (definition, worker)}) as url,
            pytest.raises(DashboardError, match="--function: the project has a, b"),
        ):
            Dashboard(url).interactor()

    def test_other_projects_are_not_seen(self) -> None:
        definition = deployed(FOLDER / "function.yaml")
        definition["metadata"]["labels"]["nuclio.io/project-name"] = "default"
        with (
            running(ODD, {"ODD": "echo"}) as worker,
            dashboard({"pth-ritm": (definition, worker)}) as url,
            pytest.raises(DashboardError, match="no interactor; it has no functions"),
        ):
            Dashboard(url).interactor()

    def test_no_dashboard_there(self) -> None:
        with pytest.raises(DashboardError, match="does not answer"):
            Dashboard("http://127.0.0.1:9").interactor()

    @pytest.mark.parametrize("url", ["localhost:8070", "ftp://localhost", ""])
    def test_an_address_that_is_none(self, url: str) -> None:
        with pytest.raises(DashboardError, match="must begin with http:// or https://"):
            Dashboard(url)

    def test_the_command_says_it_in_one_sentence(self) -> None:
        result = subprocess.run(
            [sys.executable, "-m", "ritm_model", "cvat", "check", "--dashboard", "http://127.0.0.1:9"],
            capture_output=True,
            text=True,
        )

        assert result.returncode == 1
        assert result.stdout == ""
        assert re.fullmatch(
            r"Error: The Nuclio dashboard at [^\n]+ does not answer \(\w+\)\.\n", result.stderr
        )

    def test_something_else_there(self) -> None:
        with deployment() as url, pytest.raises(DashboardError, match="lists no functions, but answers 404"):
            Dashboard(f"{url}/cvat").interactor()
