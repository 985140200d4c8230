"""The commands, as one calls them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from export_files import HEIGHT, WIDTH

from ritm_model.cli.main import ritm
from ritm_model.masks import brush_rle
from ritm_model.masks.coco import coco_mask


def export_of(folder: Path, mask: np.ndarray, picture: bytes) -> Path:
    (folder / "photographs").mkdir()
    (folder / "photographs" / "a.png").write_bytes(picture)
    value = {"format": "rle", "rle": brush_rle.encode(mask), "brushlabels": ["Cell"]}
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    result = [{"id": "r", "type": "brushlabels", "to_name": "image", "value": value, **size}]
    path = folder / "export.json"
    task = {"id": 1, "data": {"image": "a.png"}, "annotations": [{"id": 1, "result": result}]}
    path.write_text(json.dumps([task]))
    return path


def test_lossless_coco(tmp_path: Path, ring: np.ndarray, picture: bytes) -> None:
    path = export_of(tmp_path, ring, picture)
    out = tmp_path / "out.json"
    photographs = str(tmp_path / "photographs")
    ran = CliRunner().invoke(ritm, ["export", "coco", str(path), str(out), "--images-from", photographs])
    assert ran.exit_code == 0, ran.output
    content = json.loads(out.read_bytes())
    (record,) = content["annotations"]
    np.testing.assert_array_equal(coco_mask(record["segmentation"], HEIGHT, WIDTH), ring)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["export.json", "out.json", "photographs"]


def test_a_data_set(tmp_path: Path, ring: np.ndarray, picture: bytes) -> None:
    path = export_of(tmp_path, ring, picture)
    options = ["--images-from", str(tmp_path / "photographs"), "--json"]
    arguments = ["dataset", "from-label-studio", str(path), str(tmp_path / "out"), *options]
    ran = CliRunner().invoke(ritm, arguments)
    assert ran.exit_code == 0, ran.output
    answer = json.loads(ran.output)
    assert (answer["photographs"], answer["objects"], answer["left_out"]) == (1, 1, 0)
    assert (tmp_path / "out" / "annotations.json").is_file()
