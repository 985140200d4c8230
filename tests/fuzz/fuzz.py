"""Fuzzes readers of strangers' bytes: `python tests/fuzz/fuzz.py TARGET [options of libFuzzer] [input ...]`.

Only errors of the project may come out. Any other ends the run with its traceback; so do one input that takes
longer than -timeout, an export that writes a file outside its folder, and a request that is read differently
from what a plain reader makes of it.
"""

from __future__ import annotations

import io
import json
import os
import re
import stat
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import atheris

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "training")]
with atheris.instrument_imports(include=["ritm_model", "ritm_ops", "ritm_backend", "training", "h11"]):
    import seeds

    from ritm_backend.front.connection import Connection, Deadlines, Phase, Wanted
    from ritm_backend.label_studio import body
    from ritm_model.datasets.photograph import load_image
    from ritm_model.datasets.readers.coco_rle import coco_rle
    from ritm_model.errors import RitmError
    from ritm_model.masks import brush_rle
    from ritm_ops.label_studio.results import read_results
    from ritm_ops.pictures import PictureAccess
    from training.exports import collect

HOSTILE = ("../a.json", "/tmp/a.json", "images/../../../a.png", "..\\a.xml", "a\0b.json", "images", "b.zip")

KEYS = ['"rle"', '"\\u0072le"', '"rle\\""', '"\\\\"', '"a"', '""']
COLONS = [":", ": ", "\n:\t"]
SCALARS = [
    "0",
    "1",
    "255",
    "256",
    "-1",
    "-0",
    "1.0",
    "1e2",
    "null",
    "NaN",
    '"rle"',
    '"\\"rle\\": [1]"',
    '"' + b'"rle": [1]'.decode("utf-16-le") + '"',
]
"""The last one is `"rle": [1]`, to whoever takes UTF-16 for bytes."""
DAMAGE = ["", ",", "]", "[", '"', "\\", "-", " ", "0", '"rle": [', '"rle": [1]']

NO_JSON = "no JSON"
MASK = re.compile(rb'"rle"\s*:\s*(\[[^\]"]*\])')

body._PIECE = 4  # so that small masks are read in several pieces


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


def bodies(data: bytes) -> None:
    """The JSON of a request: the reader that leaves masks unread against `json`."""
    plain, ours = _outcome(lambda: json.loads(data)), _outcome(lambda: _read_out(body.read_body(data)))
    # What is wrong in a mask is found when somebody reads it, which nobody does where its key comes twice.
    assert ours == plain or (plain == NO_JSON and any(map(_is_broken, MASK.findall(data)))), data


def objects(data: bytes) -> None:
    """The same for what is JSON, or nearly."""
    fuzzed = atheris.FuzzedDataProvider(data)
    text = _json(fuzzed, 4)
    if fuzzed.ConsumeBool():
        place = fuzzed.ConsumeIntInRange(0, len(text))
        text = text[:place] + fuzzed.PickValueInList(DAMAGE) + text[place + fuzzed.ConsumeIntInRange(0, 2) :]
    bodies(
        text.encode(fuzzed.PickValueInList(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]))
    )


def _json(fuzzed: atheris.FuzzedDataProvider, depth: int) -> str:
    kind = fuzzed.ConsumeIntInRange(0, 3 if depth else 0)
    if kind == 0:
        return str(fuzzed.PickValueInList(SCALARS))
    count = fuzzed.ConsumeIntInRange(0, 4)
    if kind == 1:
        return "[" + ", ".join(_json(fuzzed, depth - 1) for _ in range(count)) + "]"
    pairs = (
        str(fuzzed.PickValueInList(KEYS)) + fuzzed.PickValueInList(COLONS) + _json(fuzzed, depth - 1)
        for _ in range(count)
    )
    return "{" + ",".join(pairs) + "}"


def _is_broken(mask: bytes) -> bool:
    return _outcome(lambda: json.loads(mask)) == NO_JSON


def _read_out(value: object) -> object:
    if isinstance(value, body.UnreadRle):
        numbers = json.loads(b"[" + value.text + b"]")
        assert _outcome(lambda: list(bytes(value))) == _outcome(lambda: list(bytes(numbers)))
        return numbers
    if isinstance(value, dict):
        return {key: _read_out(item) for key, item in value.items()}
    return [_read_out(item) for item in value] if isinstance(value, list) else value


def _outcome(read: Callable[[], object]) -> str:
    """As text, since not a number equals nothing, and 1 equals true."""
    try:
        return repr(read())
    except (ValueError, RecursionError):
        return NO_JSON


def requests(data: bytes) -> None:
    """Bytes of a connection are read the same however they are cut."""
    fuzzed = atheris.FuzzedDataProvider(data)
    cuts, sent = fuzzed.ConsumeIntListInRange(6, 0, 400), fuzzed.ConsumeBytes(4000)
    assert _received(sent, cuts) == _received(sent, [])


def chunks(data: bytes) -> None:
    """A body that comes in chunks, or as a whole, is the body that was sent."""
    fuzzed = atheris.FuzzedDataProvider(data)
    cuts, is_chunked = fuzzed.ConsumeIntListInRange(6, 0, 400), fuzzed.ConsumeBool()
    pieces = [fuzzed.ConsumeBytes(fuzzed.ConsumeIntInRange(1, 60)) for _ in range(6)]
    whole = b"".join(pieces)
    if is_chunked:
        ending = fuzzed.PickValueInList([b"0\r\n\r\n", b"00;a=b\r\nName: value\r\n\r\n"])
        sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece) + ending
        head = seeds.HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    else:
        sent, head = whole, seeds.HEAD + b"Content-Length: %d\r\n\r\n" % len(whole)
    phase, read, fault, _ = _received(head + sent, cuts)
    assert (phase, read, fault) == (Phase.READY, whole, ""), (head, sent, cuts)


def _received(sent: bytes, cuts: list[int]) -> tuple[Phase, bytes, str, bytes]:
    one = Connection(lambda _: Wanted("lane", 400), Deadlines(), 0)
    places = sorted({0, *(cut for cut in cuts if cut < len(sent)), len(sent)})
    for start, end in pairwise(places):
        if one.wants_bytes:
            one.receive(sent[start:end], 0)
    return one.phase, bytes(one.body), one.fault, bytes(one.outgoing).split(b"date:")[0]


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
    "bodies": (bodies, seeds.bodies),
    "objects": (objects, seeds.choices),
    "requests": (requests, seeds.requests),
    "chunks": (chunks, seeds.choices),
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
