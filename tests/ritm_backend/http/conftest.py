"""The real application: bundled model, real fetcher, and a server that plays Label Studio's image routes."""

import copy
import json
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image, ImageDraw

from ritm_backend.app import create_app
from ritm_backend.model_host import ModelHost
from ritm_backend.settings import Settings
from ritm_model.inference import Annotator, Predictor, open_predictor
from ritm_ops.pictures import PictureFetcher

PAYLOADS = Path(__file__).parents[2] / "payloads/label_studio"
TOKEN = "a" * 40
ORIENTATION = 0x0112


@lru_cache
def photograph(width: int = 800, height: int = 600, orientation: int = 1) -> bytes:
    """A JPEG with a disc where the recorded clicks are, stored as a camera held sideways would store it."""
    image = Image.new("RGB", (width, height), (90, 120, 80))
    draw = ImageDraw.Draw(image)
    for x, y in ((0.31, 0.5), (0.74, 0.31)):
        cx, cy, r = x * width, y * height, 0.15 * min(width, height)
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=(220, 60, 40))
    if orientation == 6:
        image = image.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=92, exif=exif)
    return buffer.getvalue()


class ImageRoutes(BaseHTTPRequestHandler):
    """Uploads need the token; cloud storage is reached by a redirect."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are sent one by one: 40 ms for each answer

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append(self.path)
        if self.path.startswith("/tasks/13/presign/"):
            self.answer(303, b"", Location=f"{server.url}/storage/a.jpg?signature=1")
        elif self.path.startswith("/data/") and self.headers.get("Authorization") != f"Token {TOKEN}":
            self.answer(401, b"")
        elif "gone" in self.path:
            self.answer(404, b"")
        elif "text" in self.path:
            self.answer(200, b"this is no image")
        elif "small" in self.path:
            self.answer(200, photograph(400, 300))
        elif "exif6" in self.path:
            self.answer(200, photograph(600, 800, 6))
        else:
            self.answer(200, photograph())

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def label_studio() -> Iterator[Any]:
    """A running server with `url` and `asked`, the paths that were asked for."""
    with ThreadingHTTPServer(("127.0.0.1", 0), ImageRoutes) as server:
        running: Any = server
        running.url = f"http://127.0.0.1:{server.server_address[1]}"
        running.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield running
        server.shutdown()


@pytest.fixture
def settings(label_studio: Any) -> Settings:
    return Settings(label_studio_url=label_studio.url, label_studio_api_key=TOKEN)


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    return open_predictor("bundled", "cpu")


@pytest.fixture(scope="session")
def annotator(predictor: Predictor) -> Annotator:
    """One for all tests, as in a serving process."""
    return Annotator(predictor)


@pytest.fixture
def host(annotator: Annotator) -> ModelHost:
    host = ModelHost(lambda: annotator, "bundled")
    host.start()
    host.annotator(60)
    return host


@pytest.fixture
def client(settings: Settings, host: ModelHost) -> FlaskClient:
    return create_app(settings, host, PictureFetcher(settings.picture_access)).test_client()


@pytest.fixture
def recorded() -> Callable[[str], Any]:
    """A fresh copy of the body of a recorded request, by the start of its file's name."""

    def body(number: str) -> Any:
        (path,) = PAYLOADS.glob(f"{number}_*.json")
        return copy.deepcopy(json.loads(path.read_text()))["json"]

    return body


@pytest.fixture
def mask_of() -> Callable[[Any], np.ndarray]:
    from ritm_model.masks import brush_rle

    def decode(region: Any) -> np.ndarray:
        return brush_rle.decode(region["value"]["rle"], region["original_width"], region["original_height"])

    return decode
