"""A store packed into one stream is the same store when it is unpacked, or an error."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from ritm_ops.object_store import ObjectStore, StoreError, open_store
from ritm_ops.object_store.packing import PackError, copy, pack, unpack

OBJECTS = {
    "images/cats/1.jpg": b"\xff\xd8",
    "labels/6": b"{}",
    "models/ritm/live.json": b"",
    "models/ritm/ritm-1a2b3c4d/model.safetensors": bytes(range(256)) * 50,
    f"{'long' * 60}/ä name": b"long",
}


def packed(store: ObjectStore) -> bytes:
    for key, data in OBJECTS.items():
        store.write(key, data)
    file = io.BytesIO()
    assert pack(store, file) == len(OBJECTS)
    return file.getvalue()


def test_what_is_packed_comes_back(store: ObjectStore, tmp_path: Path) -> None:
    data = packed(store)
    other = open_store(str(tmp_path / "other"))
    other.write("labels/6", b"what was there before")
    other.write("labels/7", b"of another name")
    assert unpack(io.BytesIO(data), other) == len(OBJECTS)
    found = {entry.key: other.read(entry.key) for entry in other.list()}
    assert found == {**OBJECTS, "labels/7": b"of another name"}


def test_it_comes_back_to_either_kind_of_store(store: ObjectStore, tmp_path: Path) -> None:
    data = packed(open_store(str(tmp_path / "other")))
    unpack(io.BytesIO(data), store)
    assert {entry.key: store.read(entry.key) for entry in store.list()} == OBJECTS


def test_a_folder_is_copied_into_either_kind_of_store(store: ObjectStore, tmp_path: Path) -> None:
    source = open_store(str(tmp_path / "photographs"))
    packed(source)
    store.write("labels/7", b"of another name")
    assert copy(source, store) == len(OBJECTS)
    assert {e.key: store.read(e.key) for e in store.list()} == {**OBJECTS, "labels/7": b"of another name"}


def test_a_stream_that_breaks_off_anywhere_is_an_error(tmp_path: Path) -> None:
    data = packed(open_store(str(tmp_path / "store")))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        last = archive.getmembers()[-1]
    blocks = range(0, last.offset_data + last.size, tarfile.BLOCKSIZE)
    for end in [*blocks, last.offset_data + last.size - 1]:
        with pytest.raises(PackError):
            unpack(io.BytesIO(data[:end]), open_store(str(tmp_path / "other")))


def test_a_changed_byte_is_an_error(tmp_path: Path) -> None:
    data = packed(open_store(str(tmp_path / "store")))
    changed = data.replace(b"\xff\xd8", b"\xff\xd9")
    with pytest.raises(PackError, match="damaged"):
        unpack(io.BytesIO(changed), open_store(str(tmp_path / "other")))


@pytest.mark.parametrize("key", ["../outside", "/etc/passwd", "a/../../b"])
def test_nothing_is_written_outside(key: str, tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(key))
    with pytest.raises(StoreError):
        unpack(io.BytesIO(file.getvalue()), open_store(str(tmp_path / "store")))
    assert list(tmp_path.rglob("*")) == []


def test_what_is_no_file_is_no_object(tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(PackError):
        unpack(io.BytesIO(file.getvalue()), open_store(str(tmp_path / "store")))
