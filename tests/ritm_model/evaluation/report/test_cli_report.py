"""`ritm report` and `ritm plot` as people use them."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from ritm_model.cli.report import plot, report
from ritm_model.errors import RitmError
from ritm_model.evaluation import EvaluationProtocol, load_evaluation, summarise

MODES = EvaluationProtocol(max_clicks=4)
SVG = "{http://www.w3.org/2000/svg}"


def run(command, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_a_report_is_one_file_with_pictures(evaluated, tmp_path) -> None:
    out = tmp_path / "new/report.html"
    result = run(report, evaluated / "out", "--out", out, "--worst", 1, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"{out}: 1 evaluation, ")
    assert out.read_text().count("data:image/webp;base64,") == 2
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_json_has_the_numbers_and_what_was_shown(evaluated, tmp_path) -> None:
    out = tmp_path / "report.html"
    result = run(report, evaluated / "out", "--out", out, "--worst", 1, "--device", "cpu", "--json")
    told = json.loads(result.stdout)
    (found,) = told["evaluations"]
    summary = summarise(load_evaluation(next((evaluated / "out").rglob("run.json")).parent))
    assert told["bytes"] == out.stat().st_size
    assert [row["noc"] for row in found["targets"]] == [row.noc for row in summary.targets]
    assert len(told["worst"][0]["objects"]) == 1


def test_without_model_and_images_the_rest_is_there(make_run, tmp_path) -> None:
    result = run(report, make_run(), "--out", tmp_path / "report.html", "--device", "cpu")
    assert result.exit_code == 0
    assert "The model first-12345678 is not at hand" in result.stderr
    html = (tmp_path / "report.html").read_text()
    assert "The model first-12345678 is not at hand" in html
    assert "<svg" in html
    assert "has not been noted" in html


@pytest.mark.parametrize("command", [report, plot])
def test_what_is_no_evaluation_is_one_sentence(command, tmp_path) -> None:
    result = run(command, tmp_path)
    assert isinstance(result.exception, RitmError)
    assert str(result.exception) == f"{tmp_path} holds no evaluation."
    assert run(command).exit_code == 2


def test_a_file_that_cannot_be_written_is_named(make_run, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    result = run(report, make_run(), "--worst", 0, "--out", tmp_path / "file/report.html")
    assert isinstance(result.exception, RitmError)
    assert "report.html cannot be written" in str(result.exception)


def points(path) -> list[int]:
    picture = ElementTree.parse(path).getroot()
    return [len(line.attrib["points"].split()) for line in picture.iter(f"{SVG}polyline")]


def test_curves_have_every_click_and_a_panel_per_data_set(make_run, tmp_path) -> None:
    folders = [make_run("a"), make_run("b", model="other"), make_run("c", dataset="films")]
    out = tmp_path / "curves.svg"
    result = run(plot, *folders, "--out", out)
    assert result.exit_code == 0, result.output
    assert points(out) == [4, 4, 4]
    assert "mIoU@3" in result.output
    assert f"{100 * (0.96 + 0.75 + 0.15) / 3:.2f}%" in result.output
    assert "films" in out.read_text()


@pytest.mark.parametrize(("n_clicks", "drawn"), [(0, 4), (2, 2), (9, 4), (-1, 3)])
def test_so_many_clicks_are_drawn(make_run, tmp_path, n_clicks, drawn) -> None:
    out = tmp_path / "curves.svg"
    assert run(plot, make_run(), "--out", out, "--n-clicks", n_clicks).exit_code == 0
    assert points(out) == [drawn]


def test_data_sets_and_modes_are_chosen(make_run, tmp_path) -> None:
    folders = [
        make_run("a"),
        make_run("b", dataset="films"),
        make_run("c", protocol=replace(MODES, mode="f-BRS-B")),
    ]
    out = tmp_path / "curves.svg"
    told = json.loads(run(plot, *folders, "--out", out, "--datasets", "films, photos", "--json").stdout)
    assert [len(panel["curves"]) for panel in told["panels"]] == [1, 2]
    told = json.loads(run(plot, *folders, "--out", out, "--mode", "f-BRS-B", "--json").stdout)
    assert [panel["title"] for panel in told["panels"]] == ["Mean IoU after every click on photos"]
    folders.append(make_run("d", dataset="other rules", protocol=replace(MODES, max_clicks=9), expected=7))
    told = json.loads(run(plot, *folders, "--out", out, "--datasets", "films", "--json").stdout)
    assert len(told["panels"]) == 1  # what is not asked for need be neither finished nor comparable
    result = run(plot, *folders, "--out", out, "--datasets", "SBD")
    assert (
        "there are films with NoBRS, other rules with NoBRS, photos with NoBRS, photos with f-BRS-B"
        in str(result.exception)
    )


def test_other_kinds_of_pictures_are_refused(make_run, tmp_path) -> None:
    result = run(plot, make_run(), "--out", tmp_path / "curves.png")
    assert str(result.exception) == "Curves are drawn as SVG only; name the file .svg instead of curves.png."
