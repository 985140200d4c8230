"""Readers of strangers' bytes meet hundreds of damaged inputs; `make fuzz` goes on for as long as wanted."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from processes import require

FUZZ = Path(__file__).with_name("fuzz.py")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "runs"),
    [
        *(
            ("brush", 4000),
            ("results", 2000),
            ("documents", 500),
            ("xml", 500),
            ("zips", 500),
            ("members", 500),
        ),
        *(("bodies", 20_000), ("objects", 20_000), ("requests", 2000), ("chunks", 2000)),
    ],
)
def test_only_errors_of_ours_come_out(target: str, runs: int, tmp_path: Path) -> None:
    require(find_spec("atheris") is not None, "no atheris for this Python on this machine")
    # Started by this process itself, the fuzzer would be charged with the most memory that this one ever
    # held, and stop at its limit. The shell between holds next to nothing; `exit` keeps it from becoming it.
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@"; exit $?', "sh", sys.executable, FUZZ, target, f"-runs={runs}", "-seed=1"],
        cwd=tmp_path,  # where an input that breaks something is left
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"Done (\d+) runs", done.stderr)  # libFuzzer counts its own first inputs, or not
    assert counted is not None, done.stderr
    assert int(counted[1]) >= runs, done.stderr
