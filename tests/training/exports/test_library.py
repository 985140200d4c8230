"""The file that remembers what was read of exports: what is wrong with it is said as it is."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from training.exports.errors import ExportError
from training.exports.library import Library, LibraryInUseError


def test_a_second_process_is_told_that_it_is_in_use(tmp_path: Path) -> None:
    with closing(Library(tmp_path, "rules")), pytest.raises(LibraryInUseError, match="in use by another"):
        Library(tmp_path, "rules")


def test_a_file_that_cannot_be_opened_is_not_said_to_be_in_use(tmp_path: Path) -> None:
    (tmp_path / "read.sqlite").mkdir()
    with pytest.raises(ExportError, match="unable to open") as refused:
        Library(tmp_path, "rules")
    assert not isinstance(refused.value, LibraryInUseError)
