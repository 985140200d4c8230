"""Files that are written whole or not at all."""

import pytest

from ritm_model.errors import RitmError
from ritm_model.files import new_file, reading, write_file, writing


class ShelfError(RitmError):
    """An error of some package."""


def test_the_new_content_takes_the_place_of_the_old(tmp_path):
    path = tmp_path / "card.json"
    write_file(path, "old")
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_not_finished_leaves_the_old_one_and_nothing_else(tmp_path):
    path = tmp_path / "card.json"
    write_file(path, "old")
    with pytest.raises(TypeError), new_file(path) as file:
        file.writelines([b"half", None])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("naming", "verb"), [(reading, "read"), (writing, "written")])
def test_what_the_system_refuses_is_one_sentence_of_the_package(tmp_path, naming, verb):
    path = tmp_path / "no folder" / "file"
    with (
        pytest.raises(ShelfError, match=rf"file cannot be {verb}: No such file or directory\.$"),
        naming(path, ShelfError),
    ):
        path.open("r" if naming is reading else "x")
