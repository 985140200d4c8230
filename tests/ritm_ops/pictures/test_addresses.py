"""Task authors choose addresses; none of them leads into the network this server stands in."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritm_ops.pictures import FetchError, PictureFetcher
from ritm_ops.pictures.addresses import is_public, unwrapped

Make = Callable[..., PictureFetcher]
REFUSED = "is private or reserved; if images may come from there, list it in RITM_ALLOWED_HOSTS"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "0.0.0.0",
        "localhost",
        "10.0.0.1",
        "172.16.5.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[::ffff:127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ],
)
def test_private_addresses_are_refused_in_every_notation(host: str, make_fetcher: Make) -> None:
    with pytest.raises(FetchError, match=REFUSED):
        make_fetcher().fetch(f"http://{host}/latest/meta-data/")


@given(st.ip_addresses(v=4))
def test_ipv4_in_ipv6_clothes_is_judged_as_ipv4(address: ipaddress.IPv4Address) -> None:
    for prefix in ("::ffff:0:0", "64:ff9b::"):
        dressed = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(address))
        assert unwrapped(dressed) == address
    assert not is_public(address) or address.is_global


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_one_private_address_among_public_ones_is_enough(internet: Any, make_fetcher: Make) -> None:
    internet.names["mixed.example"] = [["93.184.215.14", "10.0.0.7"]]
    with pytest.raises(FetchError, match=REFUSED):
        make_fetcher(internet.resolve, internet.dial).fetch("http://mixed.example/a.jpg")
    assert internet.dialled == []


def test_the_address_that_was_judged_is_the_one_connected_to(
    internet: Any, serve: Callable[..., Any], make_fetcher: Make
) -> None:
    """DNS rebinding: the second look-up would give a private address, but there is no second look-up."""
    web = serve()
    web.serves("/a.jpg", b"public")
    internet.names["rebinding.example"] = [["93.184.215.14"], ["169.254.169.254"]]
    internet.places["93.184.215.14"] = web.port
    fetcher = make_fetcher(internet.resolve, internet.dial)
    assert fetcher.fetch("http://rebinding.example/a.jpg") == b"public"
    assert internet.dialled == ["93.184.215.14"]
    assert web.seen[0].headers["host"] == "rebinding.example"
    with pytest.raises(FetchError, match=REFUSED):
        fetcher.fetch("http://rebinding.example/a.jpg")


def test_redirects_are_judged_at_every_hop(
    internet: Any, serve: Callable[..., Any], make_fetcher: Make
) -> None:
    web = serve()
    web.redirects("/a.jpg", "http://inside.example/secret")
    internet.names.update({"web.example": [["93.184.215.14"]], "inside.example": [["192.168.0.10"]]})
    internet.places["93.184.215.14"] = web.port
    with pytest.raises(FetchError, match=f"inside.example {REFUSED}"):
        make_fetcher(internet.resolve, internet.dial).fetch("http://web.example/a.jpg")
    assert internet.dialled == ["93.184.215.14"]


@pytest.mark.parametrize("location", ["http://169.254.169.254/latest/", "//169.254.169.254/latest/"])
def test_a_redirect_to_the_metadata_service_is_refused(
    location: str, serve: Callable[..., Any], make_fetcher: Make
) -> None:
    web = serve()
    web.redirects("/a.jpg", location)
    with pytest.raises(FetchError, match=f"169.254.169.254 {REFUSED}"):
        make_fetcher(allowed_hosts="127.0.0.1").fetch(f"{web.url}/a.jpg")


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://host/a"])
def test_a_redirect_to_another_scheme_is_refused(
    location: str, serve: Callable[..., Any], make_fetcher: Make
) -> None:
    web = serve()
    web.redirects("/a.jpg", location)
    with pytest.raises(FetchError, match="only by http or https"):
        make_fetcher(allowed_hosts="127.0.0.1").fetch(f"{web.url}/a.jpg")


def test_a_loop_of_redirects_ends(serve: Callable[..., Any], make_fetcher: Make) -> None:
    web = serve()
    web.redirects("/a.jpg", "/a.jpg")
    with pytest.raises(FetchError, match="redirected more than 5 times"):
        make_fetcher(allowed_hosts="127.0.0.1").fetch(f"{web.url}/a.jpg")
    assert len(web.seen) == 6


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.0/8", "10.0.0.0/8, 127.0.0.1"])
def test_listed_networks_are_allowed(allowed: str, serve: Callable[..., Any], make_fetcher: Make) -> None:
    url = serve().serves("/a.jpg")
    assert make_fetcher(allowed_hosts=allowed).fetch(url) == b"image"


def test_listed_names_are_allowed_wherever_they_are(
    internet: Any, serve: Callable[..., Any], make_fetcher: Make
) -> None:
    web = serve()
    web.serves("/a.jpg")
    internet.names["minio"] = [["10.0.0.7"]]
    internet.places["10.0.0.7"] = web.port
    fetcher = make_fetcher(internet.resolve, internet.dial, allowed_hosts="minio")
    assert fetcher.fetch("http://MinIO/a.jpg") == b"image"


def test_an_unknown_name_is_said_to_be_unknown(internet: Any, make_fetcher: Make) -> None:
    with pytest.raises(FetchError, match="host nowhere.example of the image"):
        make_fetcher(internet.resolve).fetch("http://nowhere.example/a.jpg")


def test_the_next_address_is_tried(internet: Any, serve: Callable[..., Any], make_fetcher: Make) -> None:
    web, gone = serve(), serve()
    web.serves("/a.jpg")
    gone.shutdown()
    gone.server_close()
    internet.names["two.example"] = [["93.184.215.14", "93.184.215.15"]]
    internet.places.update({"93.184.215.14": gone.port, "93.184.215.15": web.port})
    assert make_fetcher(internet.resolve, internet.dial).fetch("http://two.example/a.jpg") == b"image"


def test_proxies_of_the_environment_are_not_used(
    serve: Callable[..., Any], make_fetcher: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, web = serve(), serve()
    monkeypatch.setenv("http_proxy", proxy.url)
    assert make_fetcher(allowed_hosts="127.0.0.1").fetch(web.serves("/a.jpg")) == b"image"
    assert proxy.seen == []
