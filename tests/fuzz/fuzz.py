"""Fuzzes readers of strangers' bytes: `python tests/fuzz/fuzz.py TARGET [options of libFuzzer] [input ...]`.

Only errors of the project may come out. Any other ends the run with its traceback; so do one input that takes
longer than -timeout, and an export that writes a file outside its folder.
"""

from __future__ import annotations

import io
import json
import os
import stat
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import atheris

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "training")]
with atheris.instrument_imports(include=["ritm_model", "ritm_ops", "training"]):
    import seeds

    from ritm_model.datasets.photograph import load_image
    from ritm_model.datasets.readers.coco_rle import coco_rle
    from ritm_model.errors import RitmError
    from ritm_model.masks import brush_rle
    from ritm_ops.label_studio.results import read_results
    from ritm_ops.pictures import PictureAccess
    from training.exports import collect

HOSTILE = ("../a.json", "/tmp/a.json", "images/../../../a.png", "..\\a.xml", "a\0b.json", "images", "b.zip")


def brush(data: bytes) -> None:
    """A brush mask: two bytes for its size, then the runs."""
    if len(data) > 2:
        width, height = data[0] + 1, data[1] + 1
        with suppress(RitmError):
            assert brush_rle.decode(data[2:], width, height).shape == (height, width)


def results(data: bytes) -> None:
    """The results of an annotation of Label Studio: brushes, bitmasks, polygons, boxes and ellipses."""
    with suppress(ValueError, RecursionError):
        for drawing in read_results(json.loads(data)).drawings:
            with suppress(RitmError):
                assert drawing.mask(seeds.HEIGHT, seeds.WIDTH).shape == (seeds.HEIGHT, seeds.WIDTH)


def documents(data: bytes) -> None:
    """A JSON file of Label Studio, COCO or Datumaro, alone or where CVAT puts it, as the first byte says."""
    _collect("annotations/default.json" if data[:1] == b"1" else "export.json", data[1:])


def xml(data: bytes) -> None:
    """A file of CVAT for images."""
    _collect("annotations.xml", data)


def zips(data: bytes) -> None:
    """Bytes that may be a zip."""
    _collect("export.zip", data)


def members(data: bytes) -> None:
    """A sound zip whose files are damaged, are links, or have names that lead elsewhere."""
    fuzzed = atheris.FuzzedDataProvider(data)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for _ in range(fuzzed.ConsumeIntInRange(1, 6)):
            name = fuzzed.PickValueInList([*seeds.FILES, *HOSTILE])
            member = zipfile.ZipInfo(name)
            if fuzzed.ConsumeProbability() < 0.02:
                member.external_attr = stat.S_IFLNK << 16
            archive.writestr(member, _damaged(seeds.FILES.get(name, b"{}"), fuzzed))
    _collect("export.zip", file.getvalue())


def _damaged(whole: bytes, fuzzed: atheris.FuzzedDataProvider) -> bytes:
    place, cut = fuzzed.ConsumeIntInRange(0, len(whole)), fuzzed.ConsumeIntInRange(0, 8)
    return whole[:place] + fuzzed.ConsumeBytes(fuzzed.ConsumeIntInRange(0, 16)) + whole[place + cut :]


def _collect(name: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder, "export"), Path(folder, "out")
        (root / "images").mkdir(parents=True)
        (root / "images" / "a.png").write_bytes(seeds.PICTURE)
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        source = path if path.parent == root and path.suffix != ".xml" else root
        with suppress(RitmError):
            collect(str(source), out, images=PictureAccess(local_roots=(root / "images",)))
            for photograph in coco_rle(out, "").photographs:  # what comes out is whole
                height, width, _ = load_image(photograph).shape
                assert all(found.mask.any() for found in photograph.regions(height, width))
        assert {item.name for item in Path(folder).iterdir()} <= {"export", "out"}
        assert {item.name for item in root.iterdir()} <= {"images", Path(name).parts[0]}


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "brush": (brush, seeds.brush),
    "results": (results, seeds.results),
    "documents": (documents, seeds.documents),
    "xml": (xml, seeds.xml),
    "zips": (zips, seeds.zips),
    "members": (members, seeds.choices),
}


def main(name: str, options: list[str]) -> None:
    target, whole = TARGETS[name]
    # An image of s3:// may be asked for: of nobody.
    os.environ |= {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    warnings.simplefilter("ignore")  # zipfile's, of names that come twice
    with tempfile.TemporaryDirectory(prefix="corpus-") as corpus:
        for number, data in enumerate(whole()):
            Path(corpus, str(number)).write_bytes(data)
        again = any(not option.startswith("-") for option in options)  # inputs that once broke something
        atheris.Setup([sys.argv[0], "-timeout=60", *options, *([] if again else [corpus])], target)
        atheris.Fuzz()  # does not come back


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
