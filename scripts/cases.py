"""What becomes of small inputs that stand for what people really have.

Runs the commands of `ritm` on each and prints what they say:

    python scripts/cases.py --cases ../shared/cases
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

import click
import cv2
import numpy as np
from click.testing import CliRunner

from ritm_model.cli.main import ritm

TASKS = ("dataset", "from-label-studio")
COMMANDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("01", "01_subpath_export.json", (*TASKS, "{input}", "{out}")),
    ("03", "03_two_images/export.json", (*TASKS, "{input}", "{out}", "--images-from", "{folder}/imgs")),
    (
        "03",
        "03_two_images/export_tagnames.json",
        (*TASKS, "{input}", "{out}", "--images-from", "{folder}/imgs"),
    ),
    ("04", "04_coco_windows/old/result.json", ("dataset", "from-coco", "{input}", "{out}")),
    ("04", "04_coco_windows/proj/result.json", ("dataset", "from-coco", "{input}", "{out}")),
    (
        "04",
        "04_coco_windows/proj/result.json",
        ("dataset", "from-coco", "{input}", "{out}", "--photographs", "{folder}"),
    ),
    ("08", "08_mask_files/jpgmask", ("dataset", "from-masks", "{input}", "{out}", "--layout", "labels")),
    ("08", "08_mask_files/zero_one", ("dataset", "from-masks", "{input}", "{out}", "--layout", "images_dir")),
    (
        "09",
        "09_export_and_folder/upload.json",
        (*TASKS, "{input}", "{out}", "--images-from", "{folder}/media"),
    ),
    ("10", "10_exif_sizes.json", ("dataset", "from-coco", "{input}", "{out}")),
    (
        "11",
        "11_bom",
        ("dataset", "from-masks", "{input}", "{out}", "--layout", "images_dir", "--split", "val"),
    ),
    ("12", "12_coco_stray_part.json", ("dataset", "from-coco", "{input}", "{out}")),
    (
        "13",
        "13_lfs_pointer.pth",
        ("predict", "{folder}/a.png", "--click", "80,60", "--model", "{input}", "--output", "{out}.png"),
    ),
    (
        "14",
        "14_suffix_masks/suffix_mask",
        ("dataset", "from-masks", "{input}", "{out}", "--layout", "images_dir"),
    ),
    (
        "17",
        "17_no_end_marker.jpg",
        ("predict", "{input}", "--click", "80,60", "--output", "{out}.png"),
    ),
    ("18", "18_polygon_float_size.json", (*TASKS, "{input}", "{out}", "--images-from", "{folder}")),
    ("18", "18_polygon_no_size.json", (*TASKS, "{input}", "{out}", "--images-from", "{folder}")),
    ("19", "19_cvat_video.zip", ("dataset", "from-cvat", "{input}", "{out}")),
    ("19", "19_cvat_background.zip", ("dataset", "from-cvat", "{input}", "{out}")),
)


def told(cases: Path, name: str, words: tuple[str, ...], work: Path) -> str:
    """What a command says of a copy of a case, with what it has left out."""
    shutil.copytree(cases, work / "cases", copy_function=shutil.copyfile)
    for path in (work / "cases").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    cv2.imwrite(str(work / "cases" / "a.png"), np.full((120, 160, 3), 90, np.uint8))
    exif = work / "cases" / "10_exif.jpg"
    if exif.is_file():
        (work / "cases" / "images").mkdir()
        shutil.copyfile(exif, work / "cases" / "images" / "p.jpg")
    place, out = work / "cases" / name, work / "out"
    folder = place if place.is_dir() else place.parent
    given = [word.format(input=place, out=out, folder=folder) for word in words]
    result = CliRunner(catch_exceptions=True).invoke(ritm, given)
    said = str(result.exception) if result.exception and not result.output else result.output
    manifest = out / "conversion.json"
    if manifest.is_file():
        left_out = json.loads(manifest.read_bytes())["left_out"]
        said += "".join(f"\n  {kind}: {item['reason']}" for kind in left_out for item in left_out[kind])
    return said.replace(f"{work}/cases/", "").replace(f"{work}/", "").strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--cases", type=Path, default=Path(__file__).parents[1] / "tests/training/exports/cases"
    )
    cases: Path = parser.parse_args().cases
    os.environ.setdefault("LABEL_STUDIO_URL", "http://127.0.0.1:9/labelstudio")
    os.environ.setdefault("LABEL_STUDIO_API_KEY", "none")
    for number, name, words in COMMANDS:
        if not (cases / name).exists():
            continue
        with tempfile.TemporaryDirectory() as work:
            click.echo(f"{number} {name}\n{told(cases, name, words, Path(work))}\n")


if __name__ == "__main__":
    main()
