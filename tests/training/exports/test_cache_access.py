"""A repeated run after a changed setting gives what a first run with that setting gives."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from boto3.session import Session
from export_files import HEIGHT, WIDTH, png

from ritm_model.errors import RitmError
from ritm_ops.pictures import PictureAccess
from ritm_ops.pictures.access import Bucket, Limits
from training.exports import Options, collect

UPLOAD = "data/upload/1/cat.png"
POLYGON = {"points": [[10, 10], [90, 10], [50, 90]], "polygonlabels": ["Cat"]}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve a folder; gives the address."""
    servers: list[ThreadingHTTPServer] = []

    def start(folder: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def place(folder: Path, name: str, value: int) -> Path:
    """A folder with a picture that is of one colour."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(np.full((HEIGHT, WIDTH, 3), value, np.uint8)))
    return folder


@pytest.fixture
def again(tmp_path: Path) -> Callable[..., bytes | None]:
    """Collect one task with a cache; gives the bytes of its picture, None where it cannot be had."""

    def run(reference: str, access: PictureAccess) -> bytes | None:
        result = [{"id": "r", "type": "polygonlabels", "to_name": "image", "value": POLYGON}]
        task = {"id": 1, "data": {"image": reference}, "annotations": [{"id": 1, "result": result}]}
        export = tmp_path / "export.json"
        if not export.exists():
            export.write_text(json.dumps([task]))
        outs: list[bytes | None] = []
        for cache in (tmp_path / "cache", None):  # with what is remembered, and as for the first time
            out = tmp_path / f"out{len(list(tmp_path.glob('out*')))}"
            try:
                collect(str(export), out, images=access, options=Options(cache=cache))
            except RitmError:
                outs.append(None)
            else:
                outs.append(next((out / "images").iterdir()).read_bytes())
        assert outs[0] == outs[1]
        return outs[0]

    return run


Again = Callable[[str, PictureAccess], bytes | None]
Serve = Callable[[Path], str]


def test_another_label_studio_has_other_uploads(tmp_path: Path, again: Again, serve: Serve) -> None:
    first, second = (
        PictureAccess(label_studio_url=serve(place(tmp_path / str(value), UPLOAD, value)))
        for value in (10, 20)
    )
    seen = [again(f"/{UPLOAD}", access) for access in (first, first, second, first)]
    assert seen[0] == seen[1] == seen[3]
    assert None not in seen
    assert seen[2] != seen[0]


def test_folders_that_are_given_and_taken_away(tmp_path: Path, again: Again, serve: Serve) -> None:
    url = serve(place(tmp_path / "server", UPLOAD, 10))
    folders = [place(tmp_path / str(value), "cat.png", value) for value in (20, 30)]
    bare = PictureAccess(label_studio_url=url)
    given = [PictureAccess(label_studio_url=url, local_roots=(folder,)) for folder in folders]
    seen = [again(f"/{UPLOAD}", access) for access in (bare, given[0], given[1], bare)]
    assert None not in seen
    assert len(set(seen)) == 3
    assert seen[0] == seen[3]


def closed(url: str, bucket: str) -> dict[str, tuple[str, PictureAccess, PictureAccess]]:
    """A reference, what opens it, and what does not any more."""
    web, stored = f"{url}/{UPLOAD}", f"s3://{bucket}/cats/cat.png"
    by_host = PictureAccess(allowed_hosts=("127.0.0.1",))
    by_bucket = PictureAccess(allowed_buckets=(Bucket(bucket),))
    return {
        "host": (web, by_host, PictureAccess()),
        "Label Studio": (web, PictureAccess(label_studio_url=url), PictureAccess()),
        "pixels": (web, by_host, replace(by_host, limits=Limits(max_pixels=10))),
        "bucket": (stored, by_bucket, PictureAccess()),
        "prefix": (stored, by_bucket, PictureAccess(allowed_buckets=(Bucket(bucket, "dogs"),))),
    }


@pytest.mark.parametrize("kind", closed("", ""))
def test_what_is_closed_is_not_given_from_memory(
    tmp_path: Path, again: Again, serve: Serve, bucket: str, kind: str
) -> None:
    url = serve(place(tmp_path / "server", UPLOAD, 10))
    picture = (tmp_path / "server" / UPLOAD).read_bytes()
    Session().client("s3").put_object(Bucket=bucket, Key="cats/cat.png", Body=picture)
    reference, opens, shuts = closed(url, bucket)[kind]
    assert [again(reference, each) for each in (opens, shuts, opens)] == [picture, None, picture]
