"""What several tests of the stack's files start from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from stack_files import ROOT


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A copy of the files in which `docker/make-env` has run."""
    for name in ("docker-compose.yml", "docker-compose.tls.yml", "docker-compose.cvat.yml", ".env.example"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "docker", tmp_path / "docker")
    subprocess.run([tmp_path / "docker/make-env"], check=True, capture_output=True)
    return tmp_path
