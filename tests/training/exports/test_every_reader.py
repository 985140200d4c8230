"""What people have, in every layout that is read: odd photographs and odd names."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laid_out import (
    EVERY,
    NAMED,
    TRUTH,
    Lay,
    as_ade20k,
    as_coco,
    as_coco_lvis,
    as_colours,
    as_cvat,
    as_labelme,
    as_labels,
    as_lvis,
    as_open_images,
    as_pack,
    as_panoptic,
    as_sbd,
    as_tasks,
    as_voc,
    shot,
)
from PIL import Image

from ritm_model.datasets import open_dataset
from ritm_model.datasets.problems import ConversionError, DatasetError
from ritm_model.errors import RitmError

SHOTS = {
    "plain": ("a.jpg", shot()),
    "upper case": ("A.JPG", shot()),
    "16 bit": ("a.png", shot("PNG", "I;16")),
    "palette": ("a.PNG", shot("PNG", "P")),
    "transparent": ("a.webp", shot("WEBP", "RGBA")),
    "CMYK": ("a.jpeg", shot(mode="CMYK")),
    "LZW": ("a.tiff", shot("TIFF", compression="tiff_lzw")),
    "upright tag": ("a.jpg", shot(exif=6)),
    "tag 8": ("a.jpg", shot(exif=8)),
    "tag 5": ("a.png", shot("PNG", exif=5)),
    "space and percent": ("my photo 100%20 & 1.jpg", shot()),
    "two dots": ("a.b.jpg", shot()),
    "Unicode": ("größe 猫.png", shot("PNG")),
    "below a folder": ("sub/a.jpg", shot()),
}


@pytest.mark.parametrize("kind", SHOTS)
@pytest.mark.parametrize("reader", EVERY)
def test_every_photograph(reader: Lay, kind: str, found: Any, tmp_path: Path) -> None:
    """Masks of tools that ignore the orientation are turned; Label Studio's are refused with the reason."""
    name, photo = SHOTS[kind]
    made = reader(tmp_path / "data", name, photo)
    if reader is as_tasks and photo.mask_HW.shape != TRUTH.shape:
        with pytest.raises(ConversionError, match="turned by its orientation tag"):
            found(made)
        return
    (mask_HW,) = found(made)
    assert np.array_equal(mask_HW, TRUTH) or reader is as_lvis
    assert (mask_HW != TRUTH).sum() < 80  # LVIS draws outlines, too


APART = unicodedata.normalize("NFD", "größe.jpg")  # as macOS writes accents
NAMES = {
    "extension in capitals": ("a.JPG", "a.jpg"),
    "extension in small letters": ("a.jpg", "a.JPG"),
    "no extension": ("a.jpg", "a"),
    "no extension, another than the usual one": ("a.webp", "a"),
    "accents apart on disk": (APART, "größe.jpg"),
    "accents apart in the annotation": ("größe.jpg", APART),
    "backslashes": ("sub/a.jpg", r"sub\a.jpg"),
}
FOREIGN = {
    "a drive of Windows": ("a.jpg", r"C:\photos\a.jpg"),
    "another machine's folder": ("a.jpg", "/home/anna/photos/a.jpg"),
    "percent encoding": ("my photo.jpg", "file:///photos/my%20photo.jpg"),
}
"""Masks of some layouts are found by the same name, and theirs are no images."""
BESIDE_NO_IMAGE = (as_sbd, as_coco_lvis)


@pytest.mark.parametrize("kind", NAMES | FOREIGN)
@pytest.mark.parametrize("reader", NAMED)
def test_every_name(reader: Lay, kind: str, found: Any, tmp_path: Path) -> None:
    name, said = (NAMES | FOREIGN)[kind]
    made = reader(tmp_path / "data", name, shot(*(["WEBP"] if "webp" in name else [])), said)
    if kind in FOREIGN and reader in BESIDE_NO_IMAGE:
        with pytest.raises(DatasetError, match="cannot be in this folder"):
            found(made)
        return
    assert len(found(made)) == 1


@pytest.mark.parametrize("reader", [each for each in NAMED if each not in (as_ade20k, as_pack)])
def test_what_opens_an_address_is_told_nobody(reader: Lay, found: Any, tmp_path: Path) -> None:
    """Presigned addresses stand where names should."""
    made = reader(tmp_path / "data", "a.jpg", shot(), SIGNED)
    told = ""
    try:
        found(made)
    except RitmError as error:
        told = str(error)
    assert bool(told) == (reader is not as_labelme)  # which is found by the name of its annotation
    assert "secret" not in told


SIGNED = "https://anna:secret@host.example/x/gone.jpg?X-Amz-Signature=secret#secret"


@pytest.mark.parametrize("reader", [as_coco, as_lvis])
def test_one_address_among_names(reader: Lay, tmp_path: Path) -> None:
    layout, path = reader(tmp_path / "data", "a.jpg", shot())
    content = json.loads(path.read_bytes())
    for number, name in ((2, SIGNED), (3, f"{SIGNED}&other")):
        content["images"].append({**content["images"][0], "id": number, "file_name": name})
        content["annotations"].append({**content["annotations"][0], "id": number, "image_id": number})
    content["images"].append({**content["images"][1], "file_name": "again.jpg"})
    path.write_text(json.dumps(content))
    dataset = open_dataset("own", {"own": f"{layout}:{path}"})
    assert (len(dataset), len(dataset.problems)) == (1, 2)
    assert not any("secret" in str(problem) for problem in dataset.problems)


@pytest.mark.parametrize("reader", EVERY)
def test_accents_may_be_written_either_way(reader: Lay, found: Any, tmp_path: Path) -> None:
    """Also in names of masks: macOS takes a whole data set apart."""
    made = reader(tmp_path / "data", "größe.jpg", shot())
    for path in sorted((tmp_path / "data").rglob("gr*")):
        path.rename(path.with_name(unicodedata.normalize("NFD", path.name)))
    assert len(found(made)) == 1


@pytest.mark.parametrize(
    "reader", [as_voc, as_sbd, as_open_images, as_coco_lvis, as_ade20k, as_pack, as_cvat, as_colours]
)
def test_which_of_two_photographs_is_meant_is_not_guessed(reader: Lay, found: Any, tmp_path: Path) -> None:
    """Where a name has no extension; but photographs of the public data sets end in .jpg."""
    photo = shot("PNG")
    made = reader(tmp_path / "data", "a.png", photo, "a")
    (path,) = (path for path in (tmp_path / "data").rglob("a.png") if path.read_bytes() == photo.data)
    path.with_suffix(".webp").write_bytes(shot("WEBP").data)
    with pytest.raises(RitmError, match=r"Several files may be the image '.*a\.png, .*a\.webp"):
        found(made)
    if reader not in (as_cvat, as_colours):
        path.with_suffix(".jpg").write_bytes(shot().data)
        assert len(found(made)) == 1


@pytest.mark.parametrize("reader", [as_panoptic, as_voc, as_ade20k, as_colours, as_labels, as_pack])
@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_lossy_masks_number_no_objects(reader: Lay, form: str, found: Any, tmp_path: Path) -> None:
    """Whatever they are called: along edges they have dozens of numbers of their own."""
    made = reader(tmp_path / "data", "a.jpg", shot())
    for path in (path for path in (tmp_path / "data").rglob("*.png")):
        Image.open(path).save(path, form)
    with pytest.raises(RitmError, match="A lossy JPEG or WebP file cannot number objects"):
        found(made)
