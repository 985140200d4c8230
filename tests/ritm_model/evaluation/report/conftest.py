"""Evaluations on disk: made up where numbers matter, real where masks do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from ritm_model.cli.evaluate import evaluate
from ritm_model.clicks import Click
from ritm_model.evaluation import EvaluationProtocol, SampleResult
from ritm_model.evaluation.report import Run, Sources, WorstCases, find_runs, read_runs, worst_cases
from ritm_model.evaluation.run_folder import EvaluationFolder

DATASET = Path(__file__).parents[3] / "golden/dataset"
PROTOCOL = EvaluationProtocol(max_clicks=4)
MakeRun = Callable[..., Path]

CURVES = ((0.5, 0.92, 0.96), (0.7, 0.6, 0.75, 0.95), (0.1, 0.2, 0.15, 0.3))


def results(
    curves: Sequence[Sequence[float]] = CURVES, names: Sequence[str] = (), categories: Sequence[str] = ()
) -> list[SampleResult]:
    """Samples whose IoU goes like this; sizes go from small to large."""
    return [
        SampleResult(
            index=i,
            name=names[i] if names else f"photo{i}.jpg",
            category=categories[i] if categories else "",
            height=100,
            width=200,
            object_pixels=(500, 5000, 12_000)[i % 3],
            clicks=tuple(Click(10.5 + k, 20.5, k % 2 == 0) for k in range(len(curve))),
            ious=tuple(curve),
            boundary_ious=tuple(value / 2 for value in curve),
            click_seconds=tuple(0.1 * (k + 1) for k in range(len(curve))),
            seconds=float(len(curve)),
        )
        for i, curve in enumerate(curves)
    ]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Write an evaluation; returns its folder."""

    def make(
        name: str = "run",
        *,
        model: str = "first-12345678",
        dataset: str = "photos",
        samples: Sequence[SampleResult] | None = None,
        protocol: EvaluationProtocol = PROTOCOL,
        expected: int | None = None,
    ) -> Path:
        found = results() if samples is None else list(samples)
        if protocol.from_mask:
            found = [replace(sample, initial_iou=0.8) for sample in found]
        settings = {
            "model": model,
            "dataset": dataset,
            "samples": len(found) if expected is None else expected,
            "protocol": protocol.settings(),
        }
        folder = EvaluationFolder(tmp_path / name, settings)
        for sample in found:
            folder.append(sample)
        return folder.path

    return make


@pytest.fixture(scope="session")
def drawings(evaluated: Path) -> Run:
    """That evaluation, read."""
    (run,) = read_runs(find_runs([evaluated / "out"]))
    return run


@pytest.fixture(scope="session")
def drawn(drawings: Run) -> WorstCases:
    """Its worst two objects."""
    return worst_cases(drawings, 0.9, 2, Sources(), 10**7)


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `ritm evaluate` leaves behind after three drawings with two clicks each, and the drawings."""
    root = tmp_path_factory.mktemp("evaluated")
    for folder in ("data_GT", "boundary_GT"):
        (root / "drawings" / folder).mkdir(parents=True)
        for name in ("s00", "s03", "s16"):
            shutil.copy(DATASET / folder / f"{name}.png", root / "drawings" / folder)
    (root / "drawings/data_GT/broken.png").write_bytes(b"no image")
    shutil.copy(DATASET / "boundary_GT/s08.png", root / "drawings/boundary_GT/broken.png")
    place = f"drawings=GrabCut:{root / 'drawings'}"
    options = ["--eval-mode", "fixed64", "--no-flip", "--n-clicks", "2", "--jobs", "1"]
    arguments = ["bundled", "--datasets", "drawings", "--root", place, "--output", str(root / "out")]
    result = CliRunner().invoke(evaluate, [*arguments, *options])
    assert result.exit_code == 0, result.output
    return root
