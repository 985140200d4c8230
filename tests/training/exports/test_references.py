"""Every kind of reference has the same outcome in clicks, exports, data sets and `ritm connect`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from export_files import png
from fixed_answers import answering, project_answers

from ritm_backend.connect.config import recommended_config
from ritm_backend.connect.projects import connect
from ritm_backend.connect.wish import Wish
from ritm_model.datasets.converters import from_coco
from ritm_model.datasets.photograph import About, load_image
from ritm_model.errors import RitmError
from ritm_model.images.finding import ImageFinder
from ritm_ops.label_studio.client import LabelStudioClient
from ritm_ops.pictures import FetchError, PictureAccess, PictureFetcher
from training.exports import collect

PLACED = (
    *("upload/1/d7465737-cat.png", "gro\u0308\u00dfe.png", "a/twin.png", "b/twin.png"),
    *("odd/a#1.png", "odd/a?1.png", "odd/c+d&e.png"),
)
REFERENCES = {
    "/data/upload/1/d7465737-cat.png": True,
    "/labelstudio/data/upload/1/d7465737-cat.png": True,
    "/data/local-files/?d=upload%5C1%5Cd7465737-cat.png": True,
    "https://host.example/pictures/cat.png?signed=1": True,
    r"C:\photos\images\cat.PNG": True,
    "images/cat.png": True,
    "/tasks/1/resolve/?fileuri=czM6Ly9idWNrZXQvY2F0LnBuZw==": True,
    "https://host.example/labelstudio/projects/2/presign/?fileuri=Z3M6Ly9idWNrZXQvY2F0LnBuZw": True,
    "s3://bucket/cat.png": True,
    "photos/../upload/1/d7465737-cat.png": True,
    "d7465737-cat": True,
    "gr\u00f6\u00dfe.png": True,
    "s3://bucket/odd/a#1.png": True,
    "gs://bucket/a?1.png": True,
    "azure-blob://container/a%231.png": True,
    "/data/local-files/?d=odd/c+d&e.png": True,
    "/data/local-files/?d=odd/c%2Bd%26e.png": True,
    "/data/local-files/?d=odd/c+d&f.png": False,
    "upload/2/cat.png": False,
    "twin.png": False,
    "../../upload/1/other.png": False,
    "s3://bucket": False,
    "s3://bucket/folder/": False,
    "gs://bucket/other.png": False,
    "/tasks/1/resolve/?fileuri=czM6Ly9idWNrZXQvb3RoZXIucG5n": False,
    "/tasks/1/resolve/?fileuri=%%%": False,
    "http://169.254.169.254/other.png": False,
    "http://user:secret@host.example/other.png": False,
    "data:image/png;base64,%%%": False,
    "": False,
}


@pytest.mark.parametrize(("reference", "is_found"), REFERENCES.items())
def test_all_readers_agree(tmp_path: Path, reference: str, is_found: bool) -> None:
    folder = tmp_path / "media"
    picture = png(np.full((120, 160, 3), 90, np.uint8))
    for name in PLACED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture)
    access = PictureAccess(local_roots=(folder,))
    task = {"id": 1, "data": {"image": reference}}

    def clicked() -> int:
        return int(PictureFetcher(access).fetch(reference, task_id=1) == picture)

    def collected() -> int:
        return collect(_label_studio(tmp_path, task), tmp_path / "out", images=access).photographs

    def collected_coco() -> int:
        return collect(_coco(tmp_path, reference), tmp_path / "out-coco", images=access).photographs

    def converted() -> int:
        collection = from_coco(Path(_coco(tmp_path, reference)), About(), images_from=[folder])
        return sum(load_image(photograph).shape == (120, 160, 3) for photograph in collection.photographs)

    def connected() -> int:
        answers = project_answers(recommended_config(["Cat"]), task, {"errors": ["No image."]})
        with answering(answers) as (url, _), LabelStudioClient(url, "token") as client:
            report = connect(client, Wish(project="1"), PictureFetcher(access))
        (found,) = [each for each in report.findings if "trial click" in each.what]
        if "can be read from here" in found.fix:
            return 1
        raise FetchError(found.fix)

    outcomes = [_outcome(read) for read in (clicked, collected, connected, collected_coco, converted)]
    assert [count for count, _ in outcomes] == [int(is_found)] * 5
    assert not any("secret" in sentence for _, sentence in outcomes)
    if not is_found and reference:
        assert outcomes[0][1] in outcomes[1][1]
        assert outcomes[0][1] in outcomes[2][1]


def test_references_of_the_documentation(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"")
    page = (Path(__file__).parents[3] / "docs" / "exports.md").read_text()
    table = page.split("| reference | kind |")[1].split("\n\n")
    references = re.findall(r"`(.+?)`", re.sub(r" \|[^|]*\|$", "", table[0], flags=re.MULTILINE))
    assert len(references) > 12
    finder = ImageFinder(tmp_path)
    assert [each for each in references if finder.find(each) is None] == []
    others = re.findall(r"`(.+?)`", table[1])
    assert len(others) == 1
    assert [each for each in others if finder.find(each) is not None] == []


def _outcome(read: Callable[[], int]) -> tuple[int, str]:
    try:
        return read(), ""
    except RitmError as error:
        return 0, str(error)


def _label_studio(folder: Path, task: dict[str, object]) -> str:
    value = {"points": [[50, 30], [70, 50], [50, 75]], "polygonlabels": ["Cat"]}
    result = {"id": "a", "type": "polygonlabels", "from_name": "p", "to_name": "image", "value": value}
    path = folder / "export.json"
    path.write_text(json.dumps([{**task, "annotations": [{"id": 9, "result": [result]}]}]))
    return str(path)


def _coco(folder: Path, reference: str) -> str:
    path = folder / "coco" / "labels.json"
    path.parent.mkdir(exist_ok=True)
    triangle = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[10, 10, 90, 10, 50, 90]]}
    image = {"id": 1, "file_name": reference, "width": 160, "height": 120}
    content = {"images": [image], "annotations": [triangle], "categories": [{"id": 1, "name": "Cat"}]}
    path.write_text(json.dumps(content))
    return str(path)
