"""What `ritm connect` says when its trial click fails: why the picture cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from fixed_answers import answering, project_answers
from PIL import Image
from pydantic import SecretStr

from ritm_backend.connect.cli import connect as command
from ritm_backend.connect.config import Finding, recommended_config
from ritm_backend.connect.projects import connect
from ritm_backend.connect.wish import Wish
from ritm_ops.label_studio.client import LabelStudioClient
from ritm_ops.pictures import PictureAccess, PictureFetcher

TOKEN = "0123456789abcdef0123456789abcdef01234567"
FAILED = {"errors": ["500 Server Error"]}
PATH = "/data/upload/1/cat.png"


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("picture") / "cat.png"
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path.read_bytes()


def trial_of(
    click: dict[str, object],
    *,
    status: int = 200,
    body: bytes = b"",
    data: object = PATH,
    tries: bool = True,
    token: str | None = TOKEN,
) -> tuple[Finding, list[str]]:
    """What is found of the trial click, and the requests for the picture."""
    answers = project_answers(recommended_config(["Cat"]), {"id": 7, "data": {"image": data}}, click)
    answers[f"GET {PATH}"] = (status, {}, body)
    with answering(answers) as (url, seen), LabelStudioClient(url, TOKEN) as client:
        access = PictureAccess(label_studio_url=url, label_studio_token=SecretStr(token) if token else None)
        report = connect(client, Wish(project="1"), PictureFetcher(access) if tries else None)
    (found,) = [finding for finding in report.findings if "trial click" in finding.what]
    return found, [request for request, _ in seen if PATH in request]


@pytest.mark.parametrize("click", [FAILED, {"data": {"message": "The image cannot be read."}}])
def test_a_picture_that_can_be_read_here(picture: bytes, click: dict[str, object]) -> None:
    found, asked = trial_of(click, body=picture)
    assert found.level == "problem"
    assert "can be read from here: if the backend cannot" in found.fix
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("status", "size", "data", "token", "sentence"),
    [
        (404, None, PATH, TOKEN, f"Label Studio has no image http://127.0.0.1:PORT{PATH}"),
        (500, None, PATH, TOKEN, "as it does for an upload that it does not have"),
        (401, None, PATH, None, "set LABEL_STUDIO_API_KEY"),
        (403, None, PATH, TOKEN, "The Label Studio user of LABEL_STUDIO_API_KEY may not see"),
        (200, 3000, PATH, TOKEN, "The image file is damaged or cut off."),
        (200, 0, PATH, TOKEN, "The image file is empty."),
        (200, None, "s3://bucket/folder/", TOKEN, "names no object but a bucket or a folder"),
        (200, None, "http://169.254.169.254/a.png", TOKEN, "RITM_ALLOWED_HOSTS"),
        (200, None, None, TOKEN, "holds no image under '$image'"),
    ],
)
def test_the_reason_is_the_one_that_a_backend_gives(
    picture: bytes, status: int, size: int | None, data: object, token: str | None, sentence: str
) -> None:
    found, _ = trial_of(FAILED, status=status, body=picture[:size], data=data, token=token)
    assert found.level == "problem"
    assert "500 Server Error" in found.what
    assert found.fix.startswith("Its image cannot be read from here, either: ")
    for part in sentence.split("PORT"):
        assert part in found.fix
    assert TOKEN not in found.fix


def test_without_settings_of_pictures_the_usual_reason_is_named() -> None:
    found, asked = trial_of(FAILED, tries=False)
    assert "start it with LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY" in found.fix
    assert asked == []


def test_a_click_that_is_answered_needs_no_second_look(picture: bytes) -> None:
    found, asked = trial_of({"data": {"result": [{"id": "a"}]}}, body=picture)
    assert (found.level, asked) == ("ok", [])


def test_the_command_reads_the_settings_of_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: bytes
) -> None:
    (tmp_path / "cat.png").write_bytes(picture)
    task: dict[str, object] = {"id": 7, "data": {"image": "/data/upload/9/0123abcd-cat.png"}}
    with answering(project_answers(recommended_config(["Cat"]), task, FAILED)) as (url, _):
        monkeypatch.setenv("RITM_IMAGES_FROM", str(tmp_path))
        done = CliRunner().invoke(command, ["--url", url, "--token", TOKEN, "--project", "1"])
    assert done.exit_code == 1
    assert "The image can be read from here" in done.stdout
