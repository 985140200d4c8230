"""Whatever stands in an export, a sentence comes out, or a data set; never another error."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from export_files import HEIGHT, WIDTH, png
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ritm_model.datasets.readers.coco_rle import coco_rle
from ritm_model.errors import RitmError
from ritm_model.masks import brush_rle
from ritm_ops.pictures import PictureAccess
from training.exports import collect

PICTURE = png(np.zeros((HEIGHT, WIDTH, 3), np.uint8))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
few = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def records(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Records whose fields are what they should be, anything, or not there."""
    return st.fixed_dictionaries({}, optional={key: value | json_values for key, value in fields.items()})


def listed(item: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(item | json_values, max_size=3)


sizes = st.sampled_from([WIDTH, HEIGHT, 1])
pairs = st.lists(st.floats(-200, 200) | json_values, min_size=2, max_size=2)
bytes_of_rle = st.lists(st.integers(-1, 256), max_size=20)
values = records(
    format=st.just("rle"), rle=bytes_of_rle, points=listed(pairs), brushlabels=listed(st.just("a"))
)
results = records(
    id=st.just("r"),
    type=st.sampled_from(["brushlabels", "polygonlabels", "keypointlabels", "labels"]),
    to_name=st.just("image"),
    original_width=sizes,
    original_height=sizes,
    value=values,
)
data = records(image=st.just("a.png"))
annotations = records(
    id=st.integers(0, 3),
    result=listed(results),
    task=records(id=st.integers(0, 2), data=data),
    updated_at=st.just("2026-11-22T23:56:30.261905Z"),
)
label_studio = annotations | listed(records(id=st.just(1), data=data, annotations=listed(annotations)))
flat = st.lists(
    records(annotation_id=st.just(2), image=st.just("a.png"), brush=listed(values)), min_size=1, max_size=2
)
runs = records(size=st.just([HEIGHT, WIDTH]), counts=st.text(max_size=9) | listed(st.integers(-2, 1300)))
numbers = st.lists(st.floats(-90, 90) | json_values, max_size=8)
segmentations = runs | listed(numbers)
coco = records(
    images=listed(records(id=st.just(1), file_name=st.just("a.png"), width=sizes, height=sizes)),
    annotations=listed(records(id=st.integers(1, 3), image_id=st.just(1), segmentation=segmentations)),
    categories=listed(records(id=st.just(1), name=st.text(max_size=3))),
)
datumaro = records(
    categories=records(label=records(labels=listed(records(name=st.text(max_size=3))))),
    items=listed(
        records(
            id=st.just("a"),
            image=records(path=st.just("a.png")),
            annotations=listed(
                records(
                    type=st.sampled_from(["mask", "polygon"]), label_id=st.just(0), rle=runs, points=numbers
                )
            ),
        )
    ),
)


def collect_text(name: str, text: str | bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(RitmError):
        root = Path(folder, "export")
        (root / "annotations").mkdir(parents=True)
        (root / "images").mkdir()
        (root / "images" / "a.png").write_bytes(PICTURE)
        path = root / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        out = Path(folder, "out")
        collect(str(root), out, images=PictureAccess(local_roots=(root / "images",)))
        for photograph in coco_rle(out, "").photographs:  # what comes out is whole
            assert all(found.mask.any() for found in photograph.regions(HEIGHT, WIDTH))


@few
@given(label_studio | flat | coco | datumaro | json_values)
def test_json_of_any_kind(content: Any) -> None:
    collect_text("export.json", json.dumps(content))


@few
@given(coco | datumaro)
def test_json_where_cvat_puts_it(content: Any) -> None:
    collect_text("annotations/instances_default.json", json.dumps(content))


@few
@given(
    st.sampled_from(["mask", "polygon", "x"]),
    st.dictionaries(
        st.sampled_from(["label", "rle", "points", "left", "top", "width", "height", "z_order", "group_id"]),
        st.text("0123456789,;-. ", max_size=9),
    ),
)
def test_xml_shapes(tag: str, attributes: dict[str, str]) -> None:
    text = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    image = f'<image name="a.png" width="{WIDTH}" height="{HEIGHT}"><{tag} {text}/></image>'
    collect_text("annotations.xml", f"<annotations>{image}</annotations>")


@few
@given(st.binary(max_size=60), st.sampled_from(["a.zip", "a.json", "annotations.xml", "labelmap.txt", "6"]))
def test_bytes(data: bytes, name: str) -> None:
    collect_text(name, data)


@few
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_brush_masks_come_out_as_they_went_in(seed: int, share: float) -> None:
    mask_HW = np.random.default_rng(seed).random((HEIGHT, WIDTH)) < share
    value = {"format": "rle", "rle": brush_rle.encode(mask_HW), "brushlabels": ["a"]}
    about = {"original_width": WIDTH, "original_height": HEIGHT}
    result = [{"id": "r", "type": "brushlabels", "to_name": "image", "value": value, **about}]
    task = {"id": 1, "data": {"image": "a.png"}, "annotations": [{"id": 1, "result": result}]}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.png").write_bytes(PICTURE)
        path = Path(folder, "export.json")
        path.write_text(json.dumps([task]))
        out = Path(folder, "out")
        collect(str(path), out, images=PictureAccess(local_roots=(Path(folder),)))
        (photograph,) = coco_rle(out, "").photographs
        (region,) = photograph.regions(HEIGHT, WIDTH)
    np.testing.assert_array_equal(region.mask, mask_HW)
