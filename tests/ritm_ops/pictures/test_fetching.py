"""The kinds of image references, each over a real connection."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritm_ops.pictures import FetchError, PictureFetcher
from ritm_ops.pictures.urls import brief

Make = Callable[..., PictureFetcher]


def at(label_studio: Any, **more: object) -> dict[str, object]:
    return {"label_studio_url": label_studio.url, "label_studio_api_key": label_studio.legacy_token, **more}


def test_an_upload_is_read_with_the_token(label_studio: Any, make_fetcher: Make) -> None:
    fetcher = make_fetcher(**at(label_studio))
    assert fetcher.fetch("/data/upload/1/cat.png", task_id=1) == b"cat"
    (seen,) = label_studio.server.seen
    assert seen.headers["authorization"] == f"Token {label_studio.legacy_token}"
    assert seen.headers["accept-encoding"] == "identity"


def test_an_absolute_address_on_label_studio_gets_the_token_too(
    label_studio: Any, make_fetcher: Make
) -> None:
    fetcher = make_fetcher(**at(label_studio))
    assert fetcher.fetch(f"{label_studio.url}/data/upload/1/cat.png") == b"cat"


def test_a_local_file_goes_through_label_studio_without_a_mounted_folder(
    label_studio: Any, make_fetcher: Make
) -> None:
    assert make_fetcher(**at(label_studio)).fetch("/data/local-files/?d=pictures/b%20c.jpg") == b"local"


@pytest.mark.parametrize("scheme", ["s3", "gs", "azure-blob"])
def test_cloud_storage_goes_through_a_presigned_address(
    scheme: str, label_studio: Any, serve: Callable[..., Any], make_fetcher: Make
) -> None:
    storage = serve()
    reference = f"{scheme}://bucket/a folder/cät.jpg"
    label_studio.presigned[reference] = storage.serves("/signed/cat.jpg", b"stored") + "?signature=abc"
    fetcher = make_fetcher(**at(label_studio, allowed_hosts="127.0.0.1"))
    assert fetcher.fetch(reference, task_id=7) == b"stored"
    (seen,) = storage.seen
    assert "authorization" not in seen.headers, "the token went to the storage"
    assert seen.target.endswith("?signature=abc")


def test_cloud_storage_needs_a_task(label_studio: Any, make_fetcher: Make) -> None:
    with pytest.raises(FetchError, match="needs the id of a task"):
        make_fetcher(**at(label_studio)).fetch("s3://bucket/cat.jpg")


def test_a_web_address_gets_no_token(
    label_studio: Any, serve: Callable[..., Any], make_fetcher: Make
) -> None:
    web = serve()
    fetcher = make_fetcher(**at(label_studio, allowed_hosts="127.0.0.0/8"))
    assert fetcher.fetch(web.serves("/a%20b.jpg", b"public")) == b"public"
    assert "authorization" not in web.seen[0].headers


def test_another_port_of_the_same_host_is_not_label_studio(
    label_studio: Any, serve: Callable[..., Any], make_fetcher: Make
) -> None:
    neighbour = serve()
    neighbour.serves("/data/upload/1/cat.png")
    fetcher = make_fetcher(**at(label_studio))
    with pytest.raises(FetchError, match="RITM_ALLOWED_HOSTS"):
        fetcher.fetch(f"{neighbour.url}/data/upload/1/cat.png")
    assert neighbour.seen == []


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("data:image/png;base64," + base64.b64encode(b"pixels").decode(), b"pixels"),
        ("data:image/png;base64," + base64.b64encode(b"pixel").decode().rstrip("="), b"pixel"),
        ("data:,a%20b", b"a b"),
        ("DATA:image/gif;BASE64,R0lG", b"GIF"),
    ],
)
def test_images_in_the_task_itself(reference: str, expected: bytes, make_fetcher: Make) -> None:
    assert make_fetcher().fetch(reference) == expected


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("data:image/png;base64", "no comma"),
        ("data:image/png;base64,!!!", "not valid base64"),
        ("data:image/png;base64,", "empty"),
        ("data:," + "x" * 2_000_000, "more than the 1,048,576 bytes"),
        ("file:///etc/passwd", "none of the folders"),
        ("ftp://host/cat.jpg", "unknown kind"),
        ("gopher://host/", "unknown kind"),
        ("/data/upload/1/cat.png", "set LABEL_STUDIO_URL"),
        ("http://user:password@host/cat.jpg", "user name or password"),
        ("http://", "cannot be understood"),
        ("http://[::1/cat.jpg", "cannot be understood"),
        ("http://images\x1b.example/cat.jpg", "host name .* cannot be understood"),
        ("s3://bucket/\ud800.jpg", "not valid text"),
        ("data:,\ud800", "not valid text"),
        ("", "names no image"),
    ],
)
def test_what_cannot_be_fetched_says_why(reference: str, sentence: str, make_fetcher: Make) -> None:
    with pytest.raises(FetchError, match=sentence) as caught:
        make_fetcher(image_max_mb=1).fetch(reference)
    assert "password@" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "reference",
    [
        "http://user:secret@host:99999/x.jpg",
        "http://user:secret@[bad/x",
        "ftp://user:secret@h/x",
        "//user:secret@h/x",
        "s3://user:secret@bucket/x",
        "user:secret@h/x",
    ],
)
@pytest.mark.parametrize("settings", [{}, {"label_studio_url": "http://localhost"}])
def test_credentials_in_an_address_are_not_shown(
    reference: str, settings: dict[str, object], make_fetcher: Make
) -> None:
    with pytest.raises(FetchError) as caught:
        make_fetcher(**settings).fetch(reference)
    assert "secret" not in str(caught.value)


BEGINNINGS = [
    "",
    "/",
    "//",
    "http://",
    "http://[",
    "https://labels:",
    "s3://",
    "data:",
    "data:;base64,",
    "x:",
]
TEXTS = st.text(st.characters(), max_size=30) | st.text("/\\:@?#[]%.a1\ud800é\0 \n\x1b", max_size=30)


def test_any_text_is_fetched_or_refused_in_one_plain_sentence(make_fetcher: Make) -> None:
    def nobody(*_: object) -> Any:
        raise ConnectionRefusedError

    private = ipaddress.ip_address("10.0.0.1")
    fetcher = make_fetcher(lambda *_: [private], nobody, label_studio_url="https://labels")

    @given(beginning=st.sampled_from(BEGINNINGS), text=TEXTS)
    def check(beginning: str, text: str) -> None:
        try:
            fetcher.fetch(beginning + text, task_id=7)
        except FetchError as error:
            assert str(error).isprintable()
            assert len(str(error)) < 400

    check()


@pytest.mark.parametrize("name", ["http://host/cat@2x.jpg", "/data/upload/1/cat@2x.jpg", "cat@2x.jpg"])
def test_the_at_sign_of_a_file_name_is_shown(name: str) -> None:
    assert brief(name) == name


def test_a_missing_upload_names_the_image(label_studio: Any, make_fetcher: Make) -> None:
    with pytest.raises(FetchError, match="no image .*/data/upload/1/dog.png"):
        make_fetcher(**at(label_studio)).fetch("/data/upload/1/dog.png")


def test_a_missing_web_image_names_server_and_status(serve: Callable[..., Any], make_fetcher: Make) -> None:
    web = serve()
    with pytest.raises(FetchError, match=rf"127.0.0.1:{web.port} answered 404 for the image"):
        make_fetcher(allowed_hosts="127.0.0.1").fetch(f"{web.url}/none.jpg?secret=1")


def test_no_token_is_configured_although_one_is_wanted(label_studio: Any, make_fetcher: Make) -> None:
    with pytest.raises(FetchError, match="set LABEL_STUDIO_API_KEY"):
        make_fetcher(label_studio_url=label_studio.url).fetch("/data/upload/1/cat.png")


def test_nobody_listens(serve: Callable[..., Any], make_fetcher: Make) -> None:
    gone = serve()
    gone.shutdown()
    gone.server_close()
    with pytest.raises(FetchError, match="cannot be reached"):
        make_fetcher(allowed_hosts="127.0.0.1").fetch(f"{gone.url}/cat.jpg")


def test_label_studio_below_a_path(label_studio: Any, make_fetcher: Make) -> None:
    label_studio.server.serves("/studio/data/upload/1/cat.png", b"below")
    fetcher = make_fetcher(label_studio_url=f"{label_studio.url}/studio")
    assert fetcher.fetch("/data/upload/1/cat.png") == b"below"
    assert fetcher.fetch("/studio/data/upload/1/cat.png") == b"below"
