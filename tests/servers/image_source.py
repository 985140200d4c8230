"""A server that plays the image routes of Label Studio, well or badly, and can go and come back."""

from __future__ import annotations

import contextlib
import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Literal

from PIL import Image, ImageDraw

TOKEN = "a" * 40
PERSONAL_TOKEN = "e30." + b64encode(b'{"token_type": "refresh"}').decode() + ".signature"
_ACCESS_TOKEN = "an-access-token"

Mood = Literal["well", "late", "silent", "401", "500"]


def photograph(width: int = 800, height: int = 600) -> bytes:
    """A JPEG with a disc where the recorded clicks are."""
    image = Image.new("RGB", (width, height), (90, 120, 80))
    x, y, radius = 0.31 * width, 0.5 * height, 0.15 * height
    ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(220, 60, 40))
    file = BytesIO()
    image.save(file, "JPEG", quality=92)
    return file.getvalue()


class ImageSource:
    """Uploads need a token; images in cloud storage are reached by a redirect to `presigned()`.

    A personal token is exchanged for one that lasts; `exchanges` counts how often.

    In the mood "late" an answer takes half a second, in "silent" it never comes. The path `held` is answered
    when `may_answer` is set; with `drips`, byte after byte comes before that.
    """

    def __init__(self) -> None:
        self.mood: Mood = "well"
        self.held = ""
        self.drips = False
        self.may_answer = threading.Event()
        self.asked: list[str] = []
        self.exchanges = 0
        self.presigned: Callable[[], str] = str
        self.picture = photograph()
        self._over = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.come()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def come(self) -> None:
        """Listen, at the same address as before."""
        source = self

        class Routes(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with contextlib.suppress(ConnectionError):
                    source._answer(self)

            def do_POST(self) -> None:
                source.exchanges += 1
                _send(self, 200, json.dumps({"access": _ACCESS_TOKEN}).encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Routes)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,)).start()

    def go(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @contextlib.contextmanager
    def showing(self, picture: bytes) -> Iterator[None]:
        """Give this picture for every image, until the block ends."""
        before, self.picture = self.picture, picture
        try:
            yield
        finally:
            self.picture = before

    def close(self) -> None:
        self._over.set()
        self.may_answer.set()
        self.go()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        mood = self.mood
        self.asked.append(request.path)
        if mood == "silent":
            self._over.wait()
            return
        if mood == "late":
            self._over.wait(0.5)
        if request.path == self.held and not self.drips:
            self.may_answer.wait()
        if mood in ("401", "500"):
            _send(request, int(mood))
        elif request.headers.get("Authorization") not in (f"Token {TOKEN}", f"Bearer {_ACCESS_TOKEN}"):
            _send(request, 401)
        elif request.path.startswith("/tasks/"):
            _send(request, 303, location=self.presigned())
        elif request.path == self.held:
            _send(request, 200, self.picture, before=self.may_answer)
        else:
            _send(request, 200, self.picture)


def _send(
    request: BaseHTTPRequestHandler,
    status: int,
    body: bytes = b"",
    location: str = "",
    before: threading.Event | None = None,
) -> None:
    """Answer; with `before`, a byte now and then until that event."""
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    if location:
        request.send_header("Location", location)
    request.end_headers()
    while before is not None and not before.wait(0.1):
        request.wfile.write(body[:1])
        body = body[1:]
    request.wfile.write(body)


@contextlib.contextmanager
def image_source() -> Iterator[ImageSource]:
    source = ImageSource()
    try:
        yield source
    finally:
        source.close()
