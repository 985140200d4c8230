"""Servers that are slow, endless, cut off or pack what they send."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritm_ops.pictures import FetchError, PictureFetcher
from ritm_ops.pictures.local_files import read_local_file

Make = Callable[..., PictureFetcher]


def test_an_announced_size_beyond_the_limit_is_not_read(
    serve: Callable[..., Any], make_fetcher: Make
) -> None:
    url = serve().serves("/a.jpg", b"short", content_length=str(2_000_000))
    with pytest.raises(FetchError, match="larger than the 1,048,576 bytes that RITM_IMAGE_MAX_MB allows"):
        make_fetcher(allowed_hosts="127.0.0.1", image_max_mb=1).fetch(url)


def test_an_unannounced_size_is_cut_at_the_limit(serve: Callable[..., Any], make_fetcher: Make) -> None:
    web = serve()

    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not web.released.is_set():
            handler.wfile.write(bytes(65_536))

    web.routes["/endless"] = endless
    with pytest.raises(FetchError, match="larger than"):
        make_fetcher(allowed_hosts="127.0.0.1", image_max_mb=1).fetch(f"{web.url}/endless")


def test_a_body_cut_off(serve: Callable[..., Any], make_fetcher: Make) -> None:
    url = serve().serves("/a.jpg", b"abc", content_length="10")
    with pytest.raises(FetchError, match="broke off"):
        make_fetcher(allowed_hosts="127.0.0.1").fetch(url)


def test_a_server_that_says_nothing(serve: Callable[..., Any], make_fetcher: Make) -> None:
    web = serve()
    web.routes["/silent"] = lambda _: web.released.wait()
    with pytest.raises(FetchError, match="did not answer in time"):
        make_fetcher(allowed_hosts="127.0.0.1", fetch_read_seconds=0.05).fetch(f"{web.url}/silent")


def test_a_server_that_drips_is_ended_by_the_total_time(
    serve: Callable[..., Any], make_fetcher: Make
) -> None:
    web = serve()

    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not web.released.wait(0.01):
            handler.wfile.write(b"x")

    web.routes["/drip"] = drip
    fetcher = make_fetcher(allowed_hosts="127.0.0.1", fetch_read_seconds=5, fetch_total_seconds=0.3)
    with pytest.raises(FetchError, match="RITM_FETCH_TOTAL_SECONDS"):
        fetcher.fetch(f"{web.url}/drip")


def test_headers_that_drip_are_ended_by_the_total_time(serve: Callable[..., Any], make_fetcher: Make) -> None:
    web = serve()

    def drip(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
        while not web.released.wait(0.01):
            handler.wfile.write(b"x")

    web.routes["/drip"] = drip
    fetcher = make_fetcher(allowed_hosts="127.0.0.1", fetch_read_seconds=5, fetch_total_seconds=0.3)
    with pytest.raises(FetchError, match="RITM_FETCH_TOTAL_SECONDS"):
        fetcher.fetch(f"{web.url}/drip")


def test_redirects_share_one_total_time(serve: Callable[..., Any], make_fetcher: Make) -> None:
    web = serve()

    def slow_redirect(handler: Any) -> None:
        web.released.wait(0.2)
        handler.reply(302, location="/again")

    web.fallback = slow_redirect
    fetcher = make_fetcher(allowed_hosts="127.0.0.1", fetch_total_seconds=0.3)
    with pytest.raises(FetchError, match="did not answer in time"):
        fetcher.fetch(f"{web.url}/again")


def test_packed_answers_are_refused(serve: Callable[..., Any], make_fetcher: Make) -> None:
    url = serve().serves("/a.jpg", b"\x1f\x8b", content_encoding="gzip")
    with pytest.raises(FetchError, match="came compressed"):
        make_fetcher(allowed_hosts="127.0.0.1").fetch(url)


def test_what_is_not_http(serve: Callable[..., Any], make_fetcher: Make) -> None:
    web = serve()
    web.routes["/odd"] = lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")
    with pytest.raises(FetchError, match="did not answer in HTTP"):
        make_fetcher(allowed_hosts="127.0.0.1").fetch(f"{web.url}/odd")


def test_a_certificate_nobody_vouches_for(
    serve: Callable[..., Any], make_fetcher: Make, certificate: tuple[Path, Path]
) -> None:
    web = serve()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    with pytest.raises(FetchError, match="certificate of 127.0.0.1.* is not trusted"):
        make_fetcher(allowed_hosts="127.0.0.1").fetch(f"https://127.0.0.1:{web.port}/a.jpg")


def test_a_private_authority_made_known_is_trusted(
    serve: Callable[..., Any],
    make_fetcher: Make,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web = serve()
    web.serves("/a.jpg", b"private")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    fetcher = make_fetcher(allowed_hosts="127.0.0.1")
    assert fetcher.fetch(f"https://127.0.0.1:{web.port}/a.jpg") == b"private"


def test_a_certificate_counts_for_the_name_and_not_for_the_address(
    serve: Callable[..., Any],
    make_fetcher: Make,
    internet: Any,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web = serve()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    internet.names["images.example"] = [["127.0.0.1"]]
    internet.places["127.0.0.1"] = web.port
    fetcher = make_fetcher(internet.resolve, internet.dial, allowed_hosts="127.0.0.1")
    with pytest.raises(FetchError, match="certificate of images.example is not trusted"):
        fetcher.fetch("https://images.example/a.jpg")
    assert web.seen == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "mounted"
    (root / "pictures").mkdir(parents=True)
    (root / "pictures" / "b c.jpg").write_bytes(b"mounted")
    (tmp_path / "secret.txt").write_text("secret")
    (root / "leads-out").symlink_to(tmp_path / "secret.txt")
    (root / "leads-in").symlink_to(root / "pictures" / "b c.jpg")
    return root


@pytest.mark.parametrize(
    "reference", ["/data/local-files/?d=pictures/b%20c.jpg", "/data/local-files?d=leads-in"]
)
def test_local_files_are_read_from_the_mounted_folder(
    reference: str, folder: Path, make_fetcher: Make
) -> None:
    assert make_fetcher(local_files_root=folder).fetch(reference) == b"mounted"


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt",
        "%2e%2e/secret.txt",
        "pictures/../../secret.txt",
        "/etc/passwd",
        "%2Fetc%2Fpasswd",
        "leads-out",
        "..\\secret.txt",
        "a%00b",
        "",
        ".",
        "pictures",
        "none.jpg",
        "~/secret",
    ],
)
def test_no_name_leads_out_of_the_mounted_folder(name: str, folder: Path, make_fetcher: Make) -> None:
    with pytest.raises(FetchError) as caught:
        make_fetcher(local_files_root=folder).fetch(f"/data/local-files/?d={name}")
    assert str(folder) not in str(caught.value)


def test_a_large_local_file_is_refused(folder: Path, make_fetcher: Make) -> None:
    with (folder / "large").open("wb") as file:
        file.truncate(2_000_000)
    with pytest.raises(FetchError, match="RITM_IMAGE_MAX_MB"):
        make_fetcher(local_files_root=folder, image_max_mb=1).fetch("/data/local-files/?d=large")


PIECES = ["..", ".", "", "pictures", "b c.jpg", "secret.txt", "leads-out", "leads-in", "etc", "%2e%2e", "\\"]


@given(st.lists(st.sampled_from(PIECES), max_size=6).map("/".join))
def test_whatever_the_name_only_files_inside_are_read(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "names" / "mounted"
    (root / "pictures").mkdir(parents=True, exist_ok=True)
    (root / "pictures" / "b c.jpg").write_bytes(b"inside")
    (root.parent / "secret.txt").write_bytes(b"outside")
    if not (root / "leads-out").is_symlink():
        (root / "leads-out").symlink_to(root.parent / "secret.txt")
        (root / "leads-in").symlink_to(root / "pictures")
    try:
        assert read_local_file(root, name, 100) == b"inside"
    except FetchError as error:
        assert str(root) not in str(error)
