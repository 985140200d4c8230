"""Label Studio under a path, its token, other spellings of its address, buckets, and given folders."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ritm_ops.object_store import StoreError
from ritm_ops.pictures import FetchError, PictureAccess, PictureFetcher
from ritm_ops.pictures.access import Bucket
from ritm_ops.pictures.label_studio import LabelStudioPlace
from ritm_ops.pictures.urls import HttpUrl

Make = Callable[..., PictureFetcher]


@pytest.mark.parametrize(
    "reference",
    [
        "/data/upload/1/cat.png",
        "/labelstudio/data/upload/1/cat.png",
        "data/upload/1/cat.png",
        "{url}/data/upload/1/cat.png",
        "{url}/labelstudio/data/upload/1/cat.png",
    ],
)
def test_label_studio_under_a_path_is_asked_below_it_once(
    serve: Callable[..., Any], make_fetcher: Make, reference: str
) -> None:
    server = serve()
    server.serves("/labelstudio/data/upload/1/cat.png", b"cat")
    fetcher = make_fetcher(label_studio_url=f"{server.url}/labelstudio", label_studio_api_key="legacy")
    assert fetcher.fetch(reference.format(url=server.url)) == b"cat"
    assert [seen.target for seen in server.seen] == ["/labelstudio/data/upload/1/cat.png"]
    assert server.seen[0].headers["authorization"] == "Token legacy"


@pytest.mark.parametrize(
    ("path", "gets_it"),
    [
        ("/ls/data/upload/1/a.png", True),
        ("/ls/data/local-files/?d=a.png", True),
        ("/ls/data/local-files?d=a.png", True),
        ("/ls/storage-data/uploaded/?filepath=a.png", True),
        ("/ls/tasks/7/presign/?fileuri=x", True),
        ("/ls/api/tasks/7/resolve/", True),
        ("/ls/projects/7/resolve", True),
        ("/data/upload/1/a.png", False),  # another service of the host
        ("/ls/api/current-user/token", False),
        ("/ls/api/tasks/7/", False),
        ("/ls/tasks/x/presign/", False),
        ("/ls/", False),
        ("/ls/data/../api/current-user/token", False),
        ("/ls/data/%2e%2e/api/current-user/token", False),
        ("/ls/data/%252e%252e/api/current-user/token", False),
        ("/ls/data/..%2fapi/current-user/token", False),
        ("/ls/data/..;x/api/current-user/token", False),
        ("/ls/data/..%5capi/current-user/token", False),
        ("/ls/DATA/upload/1/a.png", False),
    ],
)
def test_the_token_goes_to_paths_that_serve_data_only(path: str, gets_it: bool) -> None:
    place = LabelStudioPlace(HttpUrl.parse("https://host/ls"))
    assert place.gets_token(HttpUrl.parse(f"https://host{path}")) is gets_it
    assert not place.gets_token(HttpUrl.parse(f"https://host:444{path}"))
    assert not place.gets_token(HttpUrl.parse(f"http://host{path}"))


def test_a_path_that_serves_no_data_is_asked_without_the_token(label_studio: Any, make_fetcher: Make) -> None:
    fetcher = make_fetcher(label_studio_url=label_studio.url, label_studio_api_key=label_studio.legacy_token)
    with pytest.raises(FetchError, match="only to paths that serve data"):
        fetcher.fetch("/api/current-user/token")
    assert "authorization" not in label_studio.server.seen[-1].headers


@pytest.mark.parametrize("allowed", ["", "localhost"])
def test_another_spelling_of_label_studio_names_the_setting(
    label_studio: Any, make_fetcher: Make, allowed: str
) -> None:
    fetcher = make_fetcher(
        label_studio_url=label_studio.url,
        label_studio_api_key=label_studio.legacy_token,
        allowed_hosts=allowed,
        resolve=lambda host, port: [ipaddress.ip_address("127.0.0.1")],
    )
    port = label_studio.server.port
    with pytest.raises(FetchError, match=rf"set LABEL_STUDIO_URL to http://localhost:{port}\.$"):
        fetcher.fetch(f"http://localhost:{port}/data/upload/1/cat.png")
    assert not any("authorization" in seen.headers for seen in label_studio.server.seen)


def test_without_the_setting_a_picture_of_label_studio_names_it(
    label_studio: Any, make_fetcher: Make
) -> None:
    with pytest.raises(FetchError, match="set LABEL_STUDIO_URL"):
        make_fetcher().fetch(f"{label_studio.url}/data/upload/1/cat.png")


@pytest.mark.parametrize("scheme", ["s3", "gs", "azure-blob"])
@pytest.mark.parametrize("rest", ["bucket", "bucket/", "bucket/folder/", "", "/key"])
def test_a_bucket_or_a_folder_is_no_picture(make_fetcher: Make, scheme: str, rest: str) -> None:
    with pytest.raises(FetchError, match="names no object but a bucket or a folder"):
        make_fetcher().fetch(f"{scheme}://{rest}", task_id=7)


@pytest.mark.parametrize(
    "reference", ["s3://bucket/a b+c.png", "gs://bucket/a.png", "azure-blob://box/a.png"]
)
def test_cloud_storage_through_label_studio(
    label_studio: Any, serve: Callable[..., Any], make_fetcher: Make, reference: str
) -> None:
    storage = serve()
    label_studio.presigned[reference] = storage.serves("/signed", b"stored")
    fetcher = make_fetcher(
        label_studio_url=label_studio.url,
        label_studio_api_key=label_studio.legacy_token,
        allowed_hosts="127.0.0.1",
    )
    assert fetcher.fetch(reference, task_id=7) == b"stored"
    assert "authorization" not in storage.seen[0].headers


def test_only_listed_buckets_are_read_directly() -> None:
    access = PictureAccess(allowed_buckets=(Bucket.parse("s3://images/team"), Bucket.parse("s3://open")))
    assert access.may_read("images", "team/a.png")
    assert access.may_read("open", "a.png")
    for bucket, key in (("images", "a.png"), ("images", "teams/a.png"), ("other", "team/a.png")):
        assert not access.may_read(bucket, key)
        with pytest.raises(FetchError, match="RITM_ALLOWED_BUCKETS"):
            PictureFetcher(access).fetch(f"s3://{bucket}/{key}", task_id=7)
    assert PictureAccess(allowed_buckets=None).may_read("other", "a.png")


def test_objects_of_s3_are_bounded_and_what_is_missing_is_told(bucket: str) -> None:
    from boto3.session import Session

    client = Session().client("s3")
    client.put_object(Bucket=bucket, Key="folder/a+b c.png", Body=b"picture")
    client.put_object(Bucket=bucket, Key="large.png", Body=b"x" * 2_000_000)
    access = PictureAccess(allowed_buckets=(Bucket(bucket),))
    fetcher = PictureFetcher(access)
    assert fetcher.fetch(f"s3://{bucket}/folder/a+b c.png") == b"picture"
    with pytest.raises(FetchError, match="There is no image"):
        fetcher.fetch(f"s3://{bucket}/folder/other.png")
    with pytest.raises(FetchError, match="no object can have"):
        fetcher.fetch(f"s3://{bucket}/../other.png")
    small = PictureAccess(allowed_buckets=None, limits=type(access.limits)(max_bytes=1_000_000))
    with pytest.raises(FetchError, match="RITM_IMAGE_MAX_MB"):
        PictureFetcher(small).fetch(f"s3://{bucket}/large.png")
    with pytest.raises(StoreError, match="no such bucket"):
        PictureFetcher(PictureAccess(allowed_buckets=None)).fetch("s3://nowhere/a.png")


def test_given_folders_come_before_servers(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "cat.png").write_bytes(b"here")
    access = PictureAccess("http://127.0.0.1:1", SecretStr("legacy"), local_roots=(tmp_path,))
    fetcher = PictureFetcher(access)
    for reference in (
        "/data/upload/1/d7465737-cat.png",
        "/data/local-files/?d=sub%5Ccat.png",
        "http://127.0.0.1:1/pictures/cat.png?signed=1",
        "s3://bucket/cat.png",
        r"C:\photos\cat.PNG",
    ):
        assert fetcher.fetch(reference) == b"here"
        assert fetcher.find(reference) == tmp_path / "sub" / "cat.png"
