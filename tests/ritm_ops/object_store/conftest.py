"""An S3 server that the tests of this folder share, and both kinds of store on fresh ground."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from boto3.session import Session
from s3_server import ACCESS, FaultyProxy, s3_server

from ritm_ops.object_store import ObjectStore, open_store


@pytest.fixture(scope="session")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server.url


@pytest.fixture
def bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty bucket, with the environment set up to reach it."""
    for name, value in (ACCESS | {"AWS_ENDPOINT_URL": s3_url}).items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid4().hex}"
    Session().client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return open_store(str(tmp_path / "store"))
    return open_store(f"s3://{request.getfixturevalue('bucket')}/some/prefix")


@pytest.fixture
def proxy(s3_url: str) -> Iterator[FaultyProxy]:
    running = FaultyProxy(s3_url)
    yield running
    running.close()


@pytest.fixture
def through_proxy(
    bucket: str, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ObjectStore]:
    """Opens the bucket as it is seen through the proxy."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    return lambda **options: open_store(f"s3://{bucket}", **options)
