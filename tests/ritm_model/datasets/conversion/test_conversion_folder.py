"""A conversion may be interrupted, repeated and spread over processes; its folder holds nothing else."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ritm_model.datasets.converters import from_masks
from ritm_model.datasets.photograph import About
from ritm_model.datasets.problems import ConversionError
from ritm_model.datasets.writing import convert

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def masks(painter, empty):
    empty[3:9], empty[20:] = 1, 2
    for name in NAMES:
        painter.image(f"images/{name}.jpg")
        painter.array(f"masks/{name}.png", empty)
    return painter


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


class StopError(Exception):
    """An interruption."""


def test_what_was_interrupted_goes_on_and_ends_with_the_same_files(masks, tmp_path):
    collection = from_masks(masks.root, "labels", (), About())
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    seen = []
    convert(collection, whole, {"x": 1}, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]

    def stop(done, total):
        if done == 2:
            raise StopError

    with pytest.raises(StopError):
        convert(collection, parted, {"x": 1}, on_progress=stop)
    assert not (parted / "annotations.json").exists()
    part = parted / "conversion.part.jsonl"
    part.write_bytes(part.read_bytes() + b'{"name": "c.jp')  # a process that was killed while it wrote
    seen.clear()
    convert(collection, parted, {"x": 1}, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(3, 4), (4, 4)]
    assert contents(whole) == contents(parted)
    assert sorted(contents(whole)) == [
        "annotations.json",
        "conversion.json",
        *(f"images/{n}.jpg" for n in NAMES),
    ]


@pytest.mark.slow
def test_the_files_do_not_depend_on_the_number_of_processes(masks, tmp_path, ritm):
    masks.path("images/b.jpg").write_bytes(b"x")
    for jobs in (1, 2):
        status, printed, complaint = ritm("from-masks", masks.root, tmp_path / str(jobs), "--jobs", jobs)
        assert (status, complaint) == (0, "")
        assert "3 photographs (6 objects, 0 parts, 0 stuff, 0 ignored)" in printed
        assert "left out by rule: 0\nbroken: 1\n" in printed
        assert f"{masks.root / 'images/b.jpg'}: The file is not an image of a known kind" in printed
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_the_same_again_is_safe_and_another_conversion_is_refused(masks, out, ritm):
    command = ("from-masks", masks.root, out, "--jobs", 1)
    assert ritm(*command)[0] == 0
    first = contents(out)
    assert ritm(*command)[0] == 0
    assert contents(out) == first
    status, _, complaint = ritm(*command, "--source", "other")
    assert status == 1
    assert "holds another conversion (other source); choose another folder" in complaint
    assert contents(out) == first
    assert ritm(*command, "--source", "other", "--fresh")[0] == 0
    assert json.loads((out / "conversion.json").read_text())["settings"]["source"] == "other"


def test_a_folder_with_something_else_is_refused_and_left_alone(masks, out, ritm):
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    status, _, complaint = ritm("from-masks", masks.root, out, "--fresh")
    assert status == 1
    assert "holds something else ('thesis.txt')" in complaint
    assert contents(out) == {"thesis.txt": b"mine"}


@pytest.mark.parametrize("name", ["conversion.json", "conversion.part.jsonl"])
@pytest.mark.parametrize("text", ["{", "[]", '{"settings": 5}', ""])
def test_a_damaged_folder_is_named(masks, out, ritm, name, text):
    out.mkdir()
    (out / name).write_text(text)
    status, _, complaint = ritm("from-masks", masks.root, out)
    assert status == 1
    assert name in complaint or "another conversion" in complaint


def test_damaged_records_are_named(masks, out, ritm):
    convert(from_masks(masks.root, "labels", (), About()), out, {"x": 1})
    settings = json.loads((out / "conversion.json").read_text())["settings"]
    (out / "conversion.part.jsonl").write_text(json.dumps(settings) + '\n{"nam": 5}\n')
    with pytest.raises(ConversionError, match=r"part\.jsonl is damaged; begin anew with --fresh"):
        convert(from_masks(masks.root, "labels", (), About()), out, {"x": 1})
    convert(from_masks(masks.root, "labels", (), About()), out, {"x": 1}, fresh=True)


def test_nothing_to_write_is_an_error_that_can_be_put_right(masks, out, ritm, empty):
    for name in NAMES:
        masks.path(f"masks/{name}.png").write_bytes(b"x")
    status, _, complaint = ritm("from-masks", masks.root, out, "--jobs", 1)
    assert status == 1
    assert "There is nothing to write into" in complaint
    assert "a.png: The mask is no image of a known kind, or damaged. (and 7 more)" in complaint
    assert contents(out) == {}
    masks.array("masks/a.png", empty + 1)
    assert ritm("from-masks", masks.root, out, "--jobs", 1)[0] == 0


def test_links_stand_for_photographs(masks, out, ritm):
    assert ritm("from-masks", masks.root, out, "--images", "link", "--jobs", 1)[0] == 0
    link = out / "images/a.jpg"
    assert link.is_symlink()
    assert link.resolve() == masks.path("images/a.jpg").resolve()
    assert link.read_bytes() == masks.path("images/a.jpg").read_bytes()


def test_the_answer_as_json(masks, out, ritm):
    masks.array("masks/d.png", np.zeros((30, 40), np.uint8))
    status, printed, complaint = ritm("from-masks", masks.root, out, "--json", "--jobs", 1)
    assert (status, complaint) == (0, "")
    assert json.loads(printed) == {
        "folder": str(out),
        "photographs": 3,
        "objects": 6,
        "parts": 0,
        "stuff": 0,
        "ignored": 0,
        "broken": 1,
        "left_out_by_rule": 1,
    }


def test_a_folder_that_cannot_be_written_is_a_sentence(masks, tmp_path, ritm):
    (tmp_path / "file").write_text("x")
    status, _, complaint = ritm("from-masks", masks.root, tmp_path / "file/out", "--jobs", 1)
    assert status == 1
    assert "cannot be written" in complaint
    assert complaint.count("\n") == 1


def test_evaluation_sees_what_was_converted(masks, out, ritm):
    from ritm_model.datasets import open_dataset

    assert ritm("from-masks", masks.root, out, "--jobs", 1)[0] == 0
    shutil.rmtree(masks.root / "images")
    dataset = open_dataset("own", {"own": f"coco_rle:{out}"})
    assert len(dataset) == 8
    assert dataset.problems == ()
    assert [int(sample.mask.sum()) for sample in dataset][:2] == [240, 400]


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/../../x.png", "..\\x.png"])
def test_no_photograph_is_written_outside(masks, tmp_path, name):
    """Whatever a reader has called it."""
    collection = from_masks(masks.root, "labels", (), About())
    first, *others = collection.photographs
    outside = replace(collection, photographs=[replace(first, name=name), *others])
    outcome = convert(outside, tmp_path / "sub" / "out", {"x": 1})
    (problem,) = outcome.problems
    assert f"A file named '{name}' cannot be in this folder." in str(problem)
    assert sorted(path.name for path in tmp_path.rglob("*.jpg") if not path.is_relative_to(masks.root)) == [
        f"{other}.jpg" for other in NAMES[1:]
    ]
