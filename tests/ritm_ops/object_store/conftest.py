"""An S3 server that the tests of this folder share, and both kinds of store on fresh ground."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from s3_server import FaultyProxy

from ritm_ops.object_store import ObjectStore, open_store


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
