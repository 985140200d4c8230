"""What only a folder does: many processes write, files are files, disks are full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ritm_ops.object_store import ObjectMissingError, StoreError, open_store

COUNT_UP = """
import sys
from ritm_ops.object_store import ConflictError, ObjectMissingError, open_store

store, name = open_store(sys.argv[1]), sys.argv[2]
for step in range(int(sys.argv[3])):
    while True:
        try:
            text, etag = store.read_tagged("count")
        except ObjectMissingError:
            text, etag = b"0", None
        try:
            store.write_if("count", f"{int(text.split()[0]) + 1} {name} {step}".encode(), etag)
        except ConflictError:
            continue
        break
"""

FILL_UP = """
import resource, signal, sys
from ritm_ops.object_store import StoreError, open_store

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    open_store(sys.argv[1]).write("x", bytes(5000))
except StoreError as error:
    print(error)
"""


def test_no_update_of_many_processes_is_lost(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COUNT_UP, str(tmp_path)]
    writers = [subprocess.Popen([*command, str(number), "25"]) for number in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert open_store(str(tmp_path)).read("count").split()[0] == b"75"


def test_a_disk_that_takes_no_more_leaves_the_old_object(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.write("x", b"old")
    done = subprocess.run(
        [sys.executable, "-c", FILL_UP, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{tmp_path}/x cannot be written: File too large.\n"
    assert store.read("x") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_addresses_of_folders(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    open_store(str(folder)).write("x", b"1")
    assert open_store(f"file://{tmp_path}/with%20space").read("x") == b"1"


@pytest.mark.parametrize("uri", ["", "file://elsewhere/folder", "file://", "ftp://host/folder"])
def test_other_addresses_are_refused(uri: str) -> None:
    with pytest.raises(StoreError):
        open_store(uri)


def test_an_object_is_no_folder(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.write("a", b"")
    store.write("b/c", b"")
    for key in ("a/b", "b"):
        with pytest.raises(ObjectMissingError):
            store.read(key)
        assert not store.exists(key)
    with pytest.raises(StoreError, match="cannot be written"):
        store.write("a/b", b"")


def test_unfinished_files_and_the_lock_are_no_objects(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.write_if("x", b"", None)
    (tmp_path / ".ritm-half").write_bytes(b"half")
    assert [info.key for info in store.list()] == ["x"]


@pytest.mark.parametrize("key", ["/etc/passwd", "a//b"])
def test_keys_have_no_empty_parts(tmp_path: Path, key: str) -> None:
    with pytest.raises(StoreError, match="cannot be the key"):
        open_store(str(tmp_path)).write(key, b"")
