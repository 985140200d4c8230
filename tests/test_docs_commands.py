"""Commands that the documentation shows are run as shown, or say why not, or what runs them instead.

Every block names its language. One of the shell is run, unless the line before it is one of these:
    <!-- run by tests/some/test_file.py -->
    <!-- not run by the tests: the reason -->
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from ritm_model.checkpoints.locate import bundled_model_path
from ritm_model.cli.main import ritm

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "tests" / "samples"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(
    r"(?:^ *<!-- (?P<mark>.*) -->\n)?^(?P<pad> *)```(?P<language>.*)\n(?P<text>(?:.*\n)*?)(?P=pad)```$",
    re.MULTILINE,
)
ASSIGNMENT = re.compile(r"[A-Z_]+=")
MARK = re.compile(r"run by tests/\S+|not run by the tests: .+")
FOLDERS = ("bench", "cvat_serverless", "deploy", "docker", "notebooks", "scripts", "tests")


@dataclass(frozen=True)
class Block:
    page: Path
    mark: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}: {self.text.split(chr(10))[0]}"

    def commands(self) -> Iterator[tuple[dict[str, str], list[str]]]:
        """The words of each line, with those that it goes on to, and the variables that are set in it."""
        for line in self.text.replace("\\\n", " ").splitlines():
            words = [word for word in shlex.split(line, comments=True) if word != "&"]
            start = next((at for at, word in enumerate(words) if not ASSIGNMENT.match(word)), len(words))
            start = len(words) if words[:1] == ["export"] else start
            yield dict(word.split("=", 1) for word in words[:start] if "=" in word), words[start:]


def blocks_of(page: Path) -> Iterator[Block]:
    for found in BLOCK.finditer(page.read_text()):
        text = re.sub(f"^{found['pad']}", "", found["text"], flags=re.MULTILINE)
        yield Block(page, found["mark"] or "", found["language"], text)


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
SHELL = [block for block in BLOCKS if block.language == "sh"]
RUN = [page for page in PAGES if any(block.page == page and not block.mark for block in SHELL)]
INLINE = [
    (page, shlex.split(line))
    for page in PAGES
    for line in re.findall(r"`(?:\.venv/bin/)?(ritm [^`]+)`", re.sub(BLOCK, "", page.read_text()))
]


def resolved(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words after `ritm` name, and those that are left for it."""
    command: click.Command = ritm
    context = click.Context(ritm)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no command {words[0]!r}"
        command, words = found, words[1:]
    return command, words


def test_every_block_names_its_language() -> None:
    assert len(BLOCKS) > 25
    for page in PAGES:
        text = page.read_text()
        assert not re.search(r"^ +ritm ", BLOCK.sub("", text), re.MULTILINE), page  # it would not be run
        assert text.count("```") == 2 * sum(block.page == page for block in BLOCKS), page
    assert {block.language for block in BLOCKS} == {"sh", "text", "xml", "python", "yaml"}
    for block in BLOCKS:
        assert block.language == "sh" or not re.search(r"^\W*ritm ", block.text, re.MULTILINE), block


@pytest.mark.parametrize("block", [block for block in SHELL if block.mark], ids=str)
def test_what_is_not_run_says_why(block: Block) -> None:
    assert MARK.fullmatch(block.mark), block.mark
    files = re.findall(r"tests/[\w/.]+\w", block.mark)
    assert all((ROOT / file).is_file() for file in files)
    assert files or block.mark.startswith("not run")
    assert files or not re.search("hour|minute", block.mark), "time alone is no reason: name a small run"


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_exist_and_take_what_they_are_given(
    block: Block, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _write_exports(tmp_path)
    monkeypatch.chdir(tmp_path)
    targets = re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for variables, words in block.commands():
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        if words[:1] in (["ritm"], [".venv/bin/ritm"]):
            command, rest = resolved(words[1:])
            command.make_context(str(command.name), rest)  # raises where click would complain
        if words[:1] == ["make"]:
            assert words[1] in targets
        for word in words:
            if word.startswith(tuple(f"{folder}/" for folder in FOLDERS)):
                assert (ROOT / word).exists(), word


@pytest.mark.parametrize(
    ("page", "words"), INLINE, ids=lambda value: value.name if isinstance(value, Path) else None
)
def test_commands_named_in_sentences_exist(page: Path, words: list[str]) -> None:
    command, rest = resolved(words[1:])
    options = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    for word in rest:
        assert not word.startswith("-") or word.partition("=")[0] in {*options, "--help", "--version"}, word


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with what the examples speak of."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    shutil.copy(SAMPLES / "images" / "coffee.jpg", tmp_path / "photo.jpg")
    for suffix in (".safetensors", ".json"):
        shutil.copy(bundled_model_path().with_suffix(suffix), tmp_path / f"mine{suffix}")
    for folder, name in (("photos", "coffee"), ("data/cells", "bear")):
        for kind, suffix in (("images", ".jpg"), ("masks", ".png")):
            (tmp_path / folder / kind).mkdir(parents=True)
            shutil.copy(SAMPLES / kind / f"{name}{suffix}", tmp_path / folder / kind)
    drawn = tmp_path / "drawn"
    for kind in ("images", "masks"):
        (drawn / kind).mkdir(parents=True)
    for part, name in (("train", "bear"), ("val", "vase")):
        shutil.copy(SAMPLES / "images" / f"{name}.jpg", drawn / "images")
        mask_HW = np.asarray(Image.open(SAMPLES / "masks" / f"{name}.png"))
        Image.fromarray(np.uint8(255) * (mask_HW == 1)).save(drawn / "masks" / f"{name}.png")
        (drawn / f"{part}.txt").write_text(f"{name}\n")
    labels = {
        "images": [{"id": 1, "file_name": "coffee.jpg", "width": 600, "height": 400}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[50, 50, 200, 50, 200, 150]]}
        ],
        "categories": [{"id": 1, "name": "cup"}],
    }
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    _write_exports(tmp_path)
    return tmp_path


def _write_exports(folder: Path) -> None:
    """A task of Label Studio with its project's configuration, and a zip of CVAT."""
    (folder / "photographs").mkdir()
    shutil.copy(SAMPLES / "images" / "coffee.jpg", folder / "photographs")
    value = {"points": [[10, 10], [40, 10], [40, 60]], "polygonlabels": ["cup"]}
    result = {"id": "a", "type": "polygonlabels", "from_name": "tool", "to_name": "picture", "value": value}
    task = {"id": 1, "data": {"image": "/data/upload/1/12ab34cd-coffee.jpg"}}
    (folder / "export.json").write_text(
        json.dumps([{**task, "annotations": [{"id": 1, "result": [result]}]}])
    )
    (folder / "config.xml").write_text(
        '<View><Image name="picture" value="$image"/>'
        '<PolygonLabels name="tool" toName="picture"><Label value="cup"/></PolygonLabels></View>'
    )
    points = "60,40;240,40;240,240"
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        archive.write(SAMPLES / "images" / "coffee.jpg", "images/coffee.jpg")
        archive.writestr(
            "annotations.xml",
            '<annotations><image name="coffee.jpg" width="600" height="400">'
            f'<polygon label="cup" points="{points}"/></image></annotations>',
        )


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_commands_of_a_page_run_in_their_order(page: Path, desk: Path) -> None:
    for block in SHELL:
        if block.page != page or block.mark:
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text],
            cwd=desk,
            env={**os.environ, "PATH": f"{desk}/.venv/bin{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
