"""What a project asks for is kept, and known to every worker."""

import json

import pytest

from ritm_backend.label_studio.options import ProjectOptions
from ritm_backend.projects import Projects

MESSAGE = {"project": "3.17", "schema": "<View/>", "extra_params": {"output": "polygon"}}


@pytest.mark.parametrize("is_shared", [False, True])
def test_options_are_kept_by_project(tmp_path, is_shared):
    projects = Projects(tmp_path if is_shared else None)

    assert projects.set_up(MESSAGE) == []
    assert projects.options("3.17").output == ("polygon",)
    assert projects.options("4.17") == ProjectOptions()
    projects.set_up(MESSAGE | {"extra_params": None})
    assert projects.options("3.17") == ProjectOptions()


def test_other_workers_know_them_too(tmp_path):
    one, other = Projects(tmp_path), Projects(tmp_path)
    one.set_up(MESSAGE)
    assert other.options("3.17").output == ("polygon",)
    other.set_up(MESSAGE | {"extra_params": {"also": "box"}})

    assert one.options("3.17") == ProjectOptions(also="box")


def test_no_names_or_tokens_are_written(tmp_path):
    Projects(tmp_path).set_up(MESSAGE | {"access_token": "secret", "hostname": "studio.example"})
    (file,) = tmp_path.iterdir()

    assert "secret" not in file.read_text() + file.name
    assert json.loads(file.read_text())["output"] == ["polygon"]


def test_what_cannot_be_understood_is_told(tmp_path):
    assert Projects().set_up(MESSAGE | {"extra_params": {"output": "circle"}})
    assert Projects().set_up(None) == Projects().set_up({"project": 5}) == []


def test_a_folder_that_is_gone_does_no_harm(tmp_path):
    projects = Projects(tmp_path / "gone")

    assert projects.set_up(MESSAGE) != []
    assert projects.options("3.17").output == ("polygon",)
