"""Private authorities and company proxies, with a real https server and a real small proxy."""

from __future__ import annotations

import base64
import ipaddress
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ritm_ops.label_studio.client import LabelStudioClient, LabelStudioError
from ritm_ops.network import NetworkAccess, NetworkError, Proxies
from ritm_ops.pictures import FetchError, PictureAccess, PictureFetcher

HOST = "images.example"
LOGIN = f"Basic {base64.b64encode(b'user:pass word').decode()}"


class Proxy(ThreadingHTTPServer):
    """Connects every name with the one port that it is given, if the login is right."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, target: int, login: str = "", status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target, self.login, self.status = target, login, status
        self.seen: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_CONNECT(self) -> None:
        if not self._is_let_through():
            return
        self.send_response(200)
        self.end_headers()
        with socket.create_connection(("127.0.0.1", self.server.target), 10) as server:
            back = threading.Thread(target=_copy, args=(server, self.connection))
            back.start()
            _copy(self.connection, server)
            back.join()

    def do_GET(self) -> None:
        if self._is_let_through():
            body = f"for {self.path}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def _is_let_through(self) -> bool:
        self.server.seen.append(self.path)
        status = (
            407 if self.headers.get("Proxy-Authorization", "") != self.server.login else self.server.status
        )
        if status != 200:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        return status == 200

    def log_message(self, *_: object) -> None:
        pass


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def proxy() -> Iterator[Callable[..., Proxy]]:
    running: list[Proxy] = []

    def start(*args: Any, **options: Any) -> Proxy:
        server = Proxy(*args, **options)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for the host that nobody else has signed, and its key."""
    folder = tmp_path_factory.mktemp("authority")
    certificate, key = folder / "authority.pem", folder / "key.pem"
    command = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={HOST}"
    )
    command += f" -addext subjectAltName=DNS:{HOST} -keyout {key} -out {certificate}"
    subprocess.run(command.split(), check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def secure(serve: Callable[..., Any], authority: tuple[Path, Path]) -> Any:
    """An https server with that certificate, which has /cat.png."""
    server = serve()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serves("/cat.png", b"cat")
    return server


def unknown(host: str, port: int) -> list[Any]:
    """A name service that knows addresses only, as inside a company."""
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        raise socket.gaierror(socket.EAI_NONAME, "unknown") from None


def fetcher(resolve: Any = unknown, **environment: str) -> PictureFetcher:
    access = PictureAccess(network=NetworkAccess.from_environment(environment))
    return PictureFetcher(access, resolve=resolve)


@pytest.mark.parametrize("variable", ["RITM_CA_FILE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_private_authority_is_trusted_through_a_proxy(
    secure: Any, proxy: Any, authority: tuple[Path, Path], variable: str
) -> None:
    running = proxy(secure.port, LOGIN)
    address = f"http://user:pass%20word@127.0.0.1:{running.server_port}"
    found = fetcher(**{variable: str(authority[0]), "HTTPS_PROXY": address})
    assert found.fetch(f"https://{HOST}/cat.png") == b"cat"
    assert running.seen == [f"{HOST}:443"]
    with pytest.raises(FetchError, match="certificate of images.example is not trusted"):
        fetcher(https_proxy=address).fetch(f"https://{HOST}/cat.png")


def test_requests_goes_the_same_way(secure: Any, proxy: Any, authority: tuple[Path, Path]) -> None:
    running = proxy(secure.port, LOGIN)
    address = f"http://user:pass%20word@127.0.0.1:{running.server_port}"
    access = NetworkAccess.from_environment({"SSL_CERT_FILE": str(authority[0]), "HTTPS_PROXY": address})
    with access.session() as session:
        assert session.get(f"https://{HOST}/cat.png", timeout=10).content == b"cat"
    assert running.seen == [f"{HOST}:443"]
    bundle = access.bundle()
    assert bundle is not None
    assert authority[0].read_text().strip() in bundle.read_text()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("status", "cure"), [(407, "user and password"), (403, "NO_PROXY")])
def test_the_client_of_label_studio_tells_of_the_proxy(
    proxy: Any, monkeypatch: pytest.MonkeyPatch, scheme: str, status: int, cure: str
) -> None:
    running = proxy(1, status=status)
    for variable in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{running.server_port}")
    with (
        LabelStudioClient(f"{scheme}://{HOST}", "legacy") as client,
        pytest.raises(LabelStudioError, match=rf"^The proxy 127.0.0.1:.* answered {status} .*{cure}"),
    ):
        client.call("GET", "/api/projects")


def test_the_client_of_label_studio_names_the_setting_of_authorities(
    secure: Any, proxy: Any, authority: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    secure.serves("/api/version", b'{"version": 1}')
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy(secure.port).server_port}")
    with (
        LabelStudioClient(f"https://{HOST}", "legacy") as client,
        pytest.raises(LabelStudioError, match="RITM_CA_FILE"),
    ):
        client.call("GET", "/api/version")
    monkeypatch.setenv("RITM_CA_FILE", str(authority[0]))
    with LabelStudioClient(f"https://{HOST}", "legacy") as client:
        assert client.call("GET", "/api/version") == {"version": 1}


def test_http_addresses_through_a_proxy(proxy: Any) -> None:
    running = proxy(1)
    found = fetcher(HTTP_PROXY=f"127.0.0.1:{running.server_port}")
    assert found.fetch("http://images.example/a.png?x=1") == b"for http://images.example/a.png?x=1"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("status", "cure"), [(407, "user and password"), (403, "NO_PROXY"), (503, "NO_PROXY")]
)
def test_an_answer_of_the_proxy_is_told_as_the_proxys(
    proxy: Any, scheme: str, status: int, cure: str
) -> None:
    running = proxy(1, status=status)
    found = fetcher(ALL_PROXY=f"http://127.0.0.1:{running.server_port}")
    with pytest.raises(
        FetchError, match=rf"^The proxy 127.0.0.1:{running.server_port} .*answered {status}.*{cure}"
    ):
        found.fetch(f"{scheme}://{HOST}/cat.png")


def test_a_proxy_that_is_gone_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(FetchError, match=rf"The proxy 127.0.0.1:{port} \(HTTPS_PROXY\) cannot be reached"):
        fetcher(HTTPS_PROXY=f"http://127.0.0.1:{port}").fetch(f"https://{HOST}/cat.png")


def test_addresses_are_judged_before_a_proxy_is_asked(proxy: Any) -> None:
    running = proxy(1)
    address = f"http://127.0.0.1:{running.server_port}"
    with pytest.raises(FetchError, match="private or reserved"):
        fetcher(HTTP_PROXY=address).fetch("http://169.254.169.254/latest")
    inner = [ipaddress.ip_address("10.0.0.1")]

    def resolve(host: str, port: int) -> list[Any]:
        return inner if host == "rebound.example" else unknown(host, port)

    with pytest.raises(FetchError, match="private or reserved"):
        fetcher(resolve, HTTP_PROXY=address).fetch("http://rebound.example/a.png")
    assert running.seen == []


@pytest.mark.parametrize("host", ["vault", "vault.internal", "printer.local", "nas.lan"])
def test_inner_names_are_not_passed_on_to_a_proxy(proxy: Any, host: str) -> None:
    running = proxy(1)
    with pytest.raises(FetchError, match="cannot be found"):
        fetcher(HTTP_PROXY=f"http://127.0.0.1:{running.server_port}").fetch(f"http://{host}/a.png")
    assert running.seen == []


@pytest.mark.parametrize(
    ("host", "port", "is_bypassed"),
    [
        ("example.com", 80, True),
        ("a.example.com", 80, True),
        ("badexample.com", 80, False),
        ("dotted.org", 80, True),
        ("a.dotted.org", 80, True),
        ("port.net", 8080, True),
        ("port.net", 80, False),
        ("10.1.2.3", 80, True),
        ("11.1.2.3", 80, False),
        ("localhost", 80, True),
        ("127.0.0.9", 80, True),
        ("::1", 80, True),
        ("fd00::7", 80, True),
    ],
)
def test_no_proxy(host: str, port: int, is_bypassed: bool) -> None:
    listed = "example.com, .dotted.org port.net:8080,10.0.0.0/8,[fd00::7]"
    proxies = Proxies.from_environment({"http_proxy": "http://proxy:3128", "NO_PROXY": listed})
    assert (proxies.of("http", host, port) is None) is is_bypassed
    assert proxies.of("https", "far.example", 443) is None
    everything = Proxies.from_environment({"http_proxy": "proxy:3128", "no_proxy": "*"})
    assert everything.of("http", host, port) is None


@pytest.mark.parametrize("value", ["socks5://user:secret@proxy:1080", "http://", "http://proxy:secret"])
def test_a_proxy_that_is_none_is_named_without_its_password(value: str) -> None:
    with pytest.raises(NetworkError, match="HTTPS_PROXY must name an HTTP proxy") as caught:
        Proxies.from_environment({"HTTPS_PROXY": value})
    assert "secret" not in str(caught.value)


def test_a_file_that_holds_no_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for path in (tmp_path / "ca.pem", tmp_path / "gone.pem"):
        with pytest.raises(NetworkError, match=r"RITM_CA_FILE names .* no file of PEM certificates"):
            NetworkAccess.from_environment({"RITM_CA_FILE": str(path)}).tls()
