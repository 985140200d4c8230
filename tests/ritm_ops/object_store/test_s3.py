"""What only S3 does: fail in the ways of a server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from s3_server import ACCESS, Fault, FaultyProxy

from ritm_ops.object_store import ConflictError, ObjectStore, StoreError, open_store

BODY = bytes(range(256)) * 20_000
OpenStore = Callable[..., ObjectStore]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("403", "x in {}: the object store refuses access (status 403)."),
        ("500", "x in {}: the object store fails (status 500)."),
        ("truncated", "x in {} cannot be read: the answer breaks off before its end."),
        ("silent", "x in {}: the object store does not answer in time."),
    ],
)
def test_every_fault_is_a_sentence(
    through_proxy: OpenStore, proxy: FaultyProxy, tmp_path: Path, fault: Fault, sentence: str
) -> None:
    store = through_proxy(timeout_seconds=0.5, attempts=2)
    store.write("x", BODY)
    copy = tmp_path / "copy"
    for ask in (lambda: store.read("x"), lambda: store.download("x", copy)):
        proxy.faults.extend([fault] * (1 if fault == "403" else 2))
        with pytest.raises(StoreError) as caught:
            ask()
        assert str(caught.value) == sentence.format(store.uri)
        assert not proxy.faults
        assert list(tmp_path.iterdir()) == []
    assert store.read("x") == BODY


@pytest.mark.parametrize("fault", ["500", "truncated", "silent"])
def test_a_fault_that_passes_is_not_seen(
    through_proxy: OpenStore, proxy: FaultyProxy, tmp_path: Path, fault: Fault
) -> None:
    store = through_proxy(timeout_seconds=0.5, attempts=2)
    store.write("x", BODY)
    proxy.faults.append(fault)
    store.download("x", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == BODY
    assert not proxy.faults


def test_a_write_whose_answer_is_lost_is_found_again(through_proxy: OpenStore, proxy: FaultyProxy) -> None:
    """boto3 sends it once more, and the condition then fails because of the object itself."""
    store = through_proxy(attempts=2)
    proxy.faults.append("lost answer")
    first = store.write_if("pointer", b"mine 1", None)
    assert store.read_tagged("pointer") == (b"mine 1", first)
    proxy.faults.append("lost answer")
    second = store.write_if("pointer", b"mine 2", first)
    with pytest.raises(ConflictError):
        store.write_if("pointer", b"theirs", first)
    assert store.read_tagged("pointer") == (b"mine 2", second)


def test_a_bucket_that_is_not_there(bucket: str) -> None:
    store = open_store("s3://no-such-bucket")
    for ask in (lambda: store.read("x"), lambda: list(store.list())):
        with pytest.raises(StoreError, match="there is no such bucket"):
            ask()


def test_no_server_and_no_credentials(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match="there is no connection to the object store"):
        open_store(f"s3://{bucket}", attempts=1).read("x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    with pytest.raises(StoreError, match="cannot be used as AWS is set up here"):
        open_store(f"s3://{bucket}").read("x")
    for name in ACCESS:
        if "KEY" in name:
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(StoreError, match="There are no credentials"):
        open_store(f"s3://{bucket}").read("x")


def test_a_password_in_the_address_is_not_repeated() -> None:
    with pytest.raises(StoreError) as caught:
        open_store("s3://key:secret@bucket/prefix")
    assert "secret" not in str(caught.value)


def test_folders_of_consoles_are_no_objects(bucket: str) -> None:
    from boto3.session import Session

    client = Session().client("s3")
    client.put_object(Bucket=bucket, Key="exports/", Body=b"")
    client.put_object(Bucket=bucket, Key="exports/1", Body=b"{}")
    assert [info.key for info in open_store(f"s3://{bucket}/exports/").list()] == ["1"]


def test_without_boto3_a_folder_still_works(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["boto3"] = None
from ritm_ops.object_store import StoreError, open_store
open_store(sys.argv[1]).write("x", b"")
try:
    open_store("s3://bucket")
except StoreError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "need boto3, which is not installed" in done.stdout
