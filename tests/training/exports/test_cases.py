"""Small inputs that stand for what people really have."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boto3.session import Session

from ritm_model.errors import RitmError
from ritm_ops.label_studio.results import read_results
from training.exports import Options

CASES = Path(__file__).parent / "cases"
Taken = Callable[..., Any]


def images_of(collected: Any) -> dict[str, list[dict[str, Any]]]:
    """The annotations of a data set by the names of their images."""
    content = json.loads((collected.folder / "annotations.json").read_bytes())
    names = {image["id"]: image["file_name"] for image in content["images"]}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names.values()}
    for record in content["annotations"]:
        found[names[record["image_id"]]].append(record)
    return found


def test_two_pictures_in_one_task(taken: Taken) -> None:
    """Each mask lies on the picture that its `to_name` names."""
    export = CASES / "03_two_images/export.json"
    collected, _, _ = taken(export, local_roots=(CASES / "03_two_images/imgs",))
    found = images_of(collected)
    assert {name: [item["key"] for item in items] for name, items in found.items()} == {
        "1-before.png": ["r1"],
        "1-after.png": ["r2"],
    }
    results = json.loads(export.read_bytes())[0]["annotations"][0]["result"]
    for drawing in read_results(results).drawings:
        (record,) = found[f"1-{drawing.to_name}.png"]
        assert record["area"] == drawing.mask(120, 160).sum()


CONFIG = """<View><Image name="img1" value="$image"/><Image name="img2" value="$image2"/>
<BrushLabels name="brush2" toName="img2"><Label value="Cat"/></BrushLabels></View>"""


def test_tags_that_are_not_called_like_the_data(taken: Taken) -> None:
    """Without the configuration nothing is guessed; with it, the mask is where it was drawn."""
    export, roots = CASES / "03_two_images/export_tagnames.json", (CASES / "03_two_images/imgs",)
    with pytest.raises(RitmError, match=r"image, image2.*'img2'.*--labeling-config"):
        taken(export, local_roots=roots)
    collected, _, _ = taken(export, Options(labeling_config=CONFIG), local_roots=roots)
    assert list(images_of(collected)) == ["1-after.png"]


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    shutil.copy(CASES / "03_two_images/imgs/before.png", folder / "a.png")
    return folder


@pytest.mark.parametrize("name", ["18_polygon_float_size.json", "18_polygon_no_size.json"])
def test_sizes_that_are_floats_or_missing(taken: Taken, photographs: Path, name: str) -> None:
    collected, _, _ = taken(CASES / name, local_roots=(photographs,))
    assert (collected.photographs, collected.objects) == (1, 1)


def test_background_of_cvat_is_a_hole(taken: Taken) -> None:
    collected, masks, _ = taken(CASES / "19_cvat_background.zip")
    assert collected.objects == 1
    expected = np.zeros((120, 160), bool)
    expected[10:110, 10:150] = True
    expected[40:80, 60:100] = False
    np.testing.assert_array_equal(masks["Cat"], [expected])


def test_frames_of_a_video_without_extension(taken: Taken) -> None:
    collected, _, manifest = taken(CASES / "19_cvat_video.zip")
    assert manifest["left_out"]["broken"] == []
    assert sorted(images_of(collected)) == ["frame_000000.PNG", "frame_000001.PNG"]


def test_a_reference_to_a_folder_costs_itself_only(
    taken: Taken, tmp_path: Path, bucket: str, photographs: Path
) -> None:
    client = Session().client("s3")
    client.upload_file(str(photographs / "a.png"), bucket, "plain.png")
    client.upload_file(str(photographs / "a.png"), bucket, "a+b.png")
    rows = json.loads((CASES / "20_s3_folder_reference.json").read_bytes())
    rows += [{**rows[0], "id": 8, "data": {"image": reference}} for reference in ("s3://images", "s3://")]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(rows).replace("s3://images", f"s3://{bucket}"))
    collected, _, manifest = taken(path)
    assert sorted(images_of(collected)) == ["1-plain.png", "3-a_b.png"]
    reasons = [item["reason"] for item in manifest["left_out"]["broken"]]
    assert len(reasons) == 3
    assert all("names no object but a bucket or a folder" in reason for reason in reasons)


def test_problems_of_a_zip_name_the_zip(taken: Taken, tmp_path: Path) -> None:
    """And never a folder that is gone by then."""
    zip_file = tmp_path / "task_7.zip"
    shutil.copy(CASES / "19_cvat_video.zip", zip_file)
    with pytest.raises(RitmError, match=r"task_7\.zip: annotations\.xml.*is not there") as caught:
        taken(_without_images(zip_file))
    assert "unpacked" not in str(caught.value)
    assert ".collect-" not in str(caught.value)


def _without_images(path: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        text = archive.read("annotations.xml")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("annotations.xml", text)
    return path
