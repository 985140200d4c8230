"""Real HTTP servers on free ports: one that plays Label Studio, and others that are not it."""

import base64
import ipaddress
import json
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ritm_ops.pictures import PictureFetcher
from ritm_ops.pictures.settings import PictureSettings

Route = Callable[["Handler"], None]


@dataclass(frozen=True)
class Seen:
    method: str
    target: str
    headers: dict[str, str]


class Handler(BaseHTTPRequestHandler):
    server: "HttpServer"

    def do_GET(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.lock:
            self.server.seen.append(Seen(self.command, self.path, headers))
        route = self.server.routes.get(self.path.partition("?")[0], self.server.fallback)
        route(self)

    do_POST = do_GET

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((host, port), Handler)
        self.lock = threading.Lock()
        self.seen: list[Seen] = []
        self.routes: dict[str, Route] = {}
        self.fallback: Route = lambda handler: handler.reply(404)
        self.released = threading.Event()  # ends the handlers that hold on to a client
        self.port: int = self.server_address[1]
        self.url = f"http://{host}:{self.port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients of these tests hang up in the middle; that is expected."""

    def serves(self, path: str, body: bytes = b"image", status: int = 200, **headers: str) -> str:
        self.routes[path] = lambda handler: handler.reply(status, body, **headers)
        return f"{self.url}{path}"

    def redirects(self, path: str, location: str, status: int = 302) -> str:
        return self.serves(path, b"", status, location=location)


@dataclass
class LabelStudio:
    """The endpoints of Label Studio that hand out images, with its rules about tokens."""

    server: HttpServer
    legacy_token: str = "5f1c0ffee5f1c0ffee5f1c0ffee5f1c0ffee5f1c"
    personal_token: str = ""
    issued: Counter[str] = field(default_factory=Counter)
    valid: set[str] = field(default_factory=set)
    presigned: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.personal_token = jwt(token_type="refresh", jti="thePersonalOne")
        self.valid.add(f"Token {self.legacy_token}")
        self.server.routes["/api/token/refresh/"] = self.refresh
        self.server.fallback = self.image

    @property
    def url(self) -> str:
        return self.server.url

    def refresh(self, handler: Handler) -> None:
        if json.loads(handler.body) != {"refresh": self.personal_token}:
            return handler.reply(401)
        with self.server.lock:
            self.issued["access"] += 1
            access = jwt(token_type="access", jti=f"access{self.issued['access']}")
            self.valid.add(f"Bearer {access}")
        return handler.reply(200, json.dumps({"access": access}).encode())

    def expire(self) -> None:
        self.valid = {header for header in self.valid if header.startswith("Token")}

    def image(self, handler: Handler) -> None:
        path, _, query = handler.path.partition("?")
        if handler.headers.get("Authorization") not in self.valid:
            return handler.reply(401)
        if path == "/data/upload/1/cat.png":
            return handler.reply(200, b"cat")
        if path == "/data/local-files/" and query == "d=pictures/b%20c.jpg":
            return handler.reply(200, b"local")
        if path == "/tasks/7/presign/":
            reference = base64.urlsafe_b64decode(query.removeprefix("fileuri=").replace("%3D", "=")).decode()
            if reference in self.presigned:
                return handler.reply(303, location=self.presigned[reference])
        return handler.reply(404)


def jwt(**payload: str) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "HS256"}, payload, {"signature": "secret"}))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


@pytest.fixture
def make_jwt() -> Callable[..., str]:
    return jwt


@pytest.fixture
def serve() -> Iterator[Callable[..., HttpServer]]:
    servers: list[HttpServer] = []

    def start(host: str = "127.0.0.1", port: int = 0) -> HttpServer:
        server = HttpServer(host, port)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.released.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def label_studio(serve: Callable[..., HttpServer]) -> LabelStudio:
    return LabelStudio(serve())


@pytest.fixture
def make_fetcher(monkeypatch: pytest.MonkeyPatch) -> Callable[..., PictureFetcher]:
    """A fetcher with its own settings; `resolve` and `dial` as the fetcher takes them."""
    for name, _ in PictureSettings.variables():
        monkeypatch.delenv(name, raising=False)

    def make(resolve: Any = None, dial: Any = None, **settings: object) -> PictureFetcher:
        doors = {name: door for name, door in (("resolve", resolve), ("dial", dial)) if door}
        return PictureFetcher(PictureSettings(**settings).picture_access, **doors)

    return make


@dataclass
class Internet:
    """A name service and a way to public addresses, which the tests' machine need not have.

    `names` lists the answers for each name, one per look-up (the last one stays); `places` says on which
    local port the machine with a public address really listens.
    """

    names: dict[str, list[list[str]]] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    dialled: list[str] = field(default_factory=list)

    def resolve(self, host: str, port: int) -> list[Any]:
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        answers = self.names[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [ipaddress.ip_address(address) for address in found]

    def dial(self, address: Any, port: int, timeout: float) -> socket.socket:
        self.dialled.append(str(address))
        return socket.create_connection(("127.0.0.1", self.places[str(address)]), timeout)


@pytest.fixture
def internet() -> Internet:
    return Internet()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
