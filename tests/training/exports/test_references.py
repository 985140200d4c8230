"""Every kind of reference leads an export to the same outcome as the fetcher of clicks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_files import png

from ritm_model.errors import RitmError
from ritm_ops.pictures import PictureAccess, PictureFetcher
from training.exports import collect

PLACED = "upload/1/d7465737-cat.png"
REFERENCES = {
    "/data/upload/1/d7465737-cat.png": True,
    "/labelstudio/data/upload/1/d7465737-cat.png": True,
    "/data/local-files/?d=upload%5C1%5Cd7465737-cat.png": True,
    "https://host.example/pictures/cat.png?signed=1": True,
    r"C:\photos\images\cat.PNG": True,
    "images/cat.png": True,
    "s3://bucket/cat.png": True,
    "../../upload/1/other.png": False,
    "s3://bucket": False,
    "s3://bucket/folder/": False,
    "gs://bucket/other.png": False,
    "http://169.254.169.254/other.png": False,
    "http://user:secret@host.example/other.png": False,
    "data:image/png;base64,%%%": False,
    "": False,
}


@pytest.mark.parametrize(("reference", "is_found"), REFERENCES.items())
def test_exports_and_clicks_agree(tmp_path: Path, reference: str, is_found: bool) -> None:
    folder = tmp_path / "media"
    (folder / PLACED).parent.mkdir(parents=True)
    picture = png(np.full((120, 160, 3), 90, np.uint8))
    (folder / PLACED).write_bytes(picture)
    access = PictureAccess(local_roots=(folder,))
    value = {"points": [[50, 30], [70, 50], [50, 75]], "polygonlabels": ["Cat"]}
    result = {"id": "a", "type": "polygonlabels", "from_name": "p", "to_name": "image", "value": value}
    task = {"id": 1, "data": {"image": reference}, "annotations": [{"id": 9, "result": [result]}]}
    export = tmp_path / "export.json"
    export.write_text(json.dumps([task]))

    def collected() -> int:
        return collect(str(export), tmp_path / "out", images=access).photographs

    def clicked() -> int:
        return int(PictureFetcher(access).fetch(reference, task_id=1) == picture)

    outcomes = [_outcome(read) for read in (collected, clicked)]
    assert [count for count, _ in outcomes] == [int(is_found)] * 2
    if not is_found and reference:
        assert outcomes[1][1] in outcomes[0][1]
        assert "secret" not in outcomes[0][1]


def _outcome(read: Callable[[], int]) -> tuple[Any, str]:
    try:
        return read(), ""
    except RitmError as error:
        return 0, str(error)
