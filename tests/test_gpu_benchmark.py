"""The benchmark of a machine with a GPU runs on a CPU, too, and fails where answers are wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


def measured(out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    words = ["--device", "cpu", "--quick", "--out", str(out), *more]
    command = [sys.executable, str(ROOT / "bench" / "gpu.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_every_part_is_measured(tmp_path: Path) -> None:
    done = measured(tmp_path / "results.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["left_out"] == []
    assert all(row["ok"] for row in found["parity"])
    assert [row["network"] for row in found["parity"]] == [
        "h18s_itm a",
        "bundled",
        "bundled by views on the device",
    ]
    assert [row["to_cpu"] for row in found["noc"]] == [0]
    assert [row["batch"] for row in found["latency"]] == [1, 2]
    assert [row["views"] for row in found["clicks"]] == ["device", "cpu"]
    assert [row["annotators"] for row in found["annotators"]] == [1, 2]
    assert all(row["loss"] > 0 for row in found["training"])
    for part in ("parity", "noc", "latency", "clicks", "annotators", "training"):
        assert f"\n{part}\n" in done.stdout
        assert found[part]


@pytest.mark.slow
def test_wrong_logits_are_told_and_fail(tmp_path: Path) -> None:
    golden = tmp_path / "golden"
    golden.mkdir()
    for name in ("logits_input_a.npz", "logits_h18s_itm.npz"):
        shutil.copy(ROOT / "tests" / "golden" / name, golden)
    with np.load(golden / "logits_h18s_itm.npz") as arrays:
        changed = {name: array + 0.01 for name, array in arrays.items()}
    np.savez(golden / "logits_h18s_itm.npz", **changed)
    done = measured(tmp_path / "results.json", "--only", "parity", "--golden", str(golden))
    assert done.returncode == 1
    assert "Answers are wrong: the logits of h18s_itm a differ" in done.stderr
    rows = json.loads((tmp_path / "results.json").read_text())["parity"]
    assert [row["ok"] for row in rows] == [False, True, True]
