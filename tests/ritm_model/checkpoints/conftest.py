"""Checkpoints in the paper's layout, and a small web server that behaves as badly as asked."""

from __future__ import annotations

import copy
import functools
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from ritm_model.networks import InteractiveModel

Content = dict[str, Any]


@pytest.fixture
def official(golden: Path, seeded_model: Callable[[str], InteractiveModel]) -> Callable[[str], Content]:
    """What a `.pth` file of the paper holds, for one of the seeded models; free to be changed."""

    def make(name: str) -> Content:
        config = json.loads((golden / f"keys_{name}.json").read_text())["config"]
        return {"state_dict": dict(seeded_model(name).state_dict()), "config": copy.deepcopy(config)}

    return make


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write anything with torch.save."""

    def write(content: object, name: str = "model.pth", **options: Any) -> Path:
        path = tmp_path / name
        torch.save(content, path, **options)
        return path

    return write


@pytest.fixture(scope="session")
def pth_bytes(golden: Path, seeded_model: Callable[[str], InteractiveModel]) -> bytes:
    """The seeded HRNet18s as a published file."""
    config = json.loads((golden / "keys_h18s_itm.json").read_text())["config"]
    file = io.BytesIO()
    torch.save({"state_dict": seeded_model("h18s_itm").state_dict(), "config": config}, file)
    return file.getvalue()


@dataclass
class Site:
    """What the server does. `cuts` and `statuses` are used up, one per request."""

    body: bytes = b""
    etag: str | None = '"v1"'
    last_modified: str | None = None
    knows_ranges: bool = True
    tells_length: bool = True
    cuts: list[int] = field(default_factory=list)  # close the connection after so many bytes of the body
    statuses: list[int] = field(default_factory=list)  # answer with these first
    requests: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def ranges(self) -> list[str | None]:
        """The Range header of every request so far."""
        return [headers.get("range") for headers in self.requests]


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, site: Site, *args: Any) -> None:
        self.site = site
        super().__init__(*args)

    def do_GET(self) -> None:
        site = self.site
        site.requests.append({name.lower(): value for name, value in self.headers.items()})
        site.paths.append(self.path)
        if site.statuses:
            self.send_error(site.statuses.pop(0))
            return
        start = self._start()
        total = len(site.body)
        if start >= total > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if site.tells_length:
            self.send_header("Content-Length", str(total - start))
        if site.etag:
            self.send_header("ETag", site.etag)
        if site.last_modified:
            self.send_header("Last-Modified", site.last_modified)
        self.end_headers()
        end = start + site.cuts.pop(0) if site.cuts else total
        self.wfile.write(site.body[start:end])

    def _start(self) -> int:
        current = self.site.etag or self.site.last_modified
        asked = self.headers.get("Range", "")
        if not self.site.knows_ranges or not asked or self.headers.get("If-Range", current) != current:
            return 0
        return int(asked.removeprefix("bytes=").partition("-")[0])

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is part of the game."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web server on a free port of this machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    site = Site()
    with _Server(("127.0.0.1", 0), functools.partial(_Handler, site)) as server:
        site.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        server.shutdown()
        thread.join()


@pytest.fixture
def models_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder, not made yet."""
    folder = tmp_path / "models"
    monkeypatch.setenv("RITM_MODELS", str(folder))
    return folder
