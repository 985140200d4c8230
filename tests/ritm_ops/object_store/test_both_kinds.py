"""A folder and a bucket behave the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from ritm_ops.object_store import ConflictError, ObjectMissingError, ObjectStore, StoreError

BODY = bytes(range(256)) * 5000


def test_what_is_written_is_read(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "weights"
    source.write_bytes(BODY)
    store.write("a/from file", source)
    store.write("a/from bytes é", BODY)
    for key in ("a/from file", "a/from bytes é"):
        assert store.read(key) == BODY
        store.download(key, tmp_path / "made/copy")
        assert (tmp_path / "made/copy").read_bytes() == BODY
        assert store.exists(key)


def test_writing_replaces_and_changes_the_tag(store: ObjectStore) -> None:
    store.write("x", b"one")
    first = store.read_tagged("x")
    store.write("x", b"two")
    second = store.read_tagged("x")
    assert (first[0], second[0]) == (b"one", b"two")
    assert first[1] != second[1]


def test_a_missing_object_is_an_error_of_its_own(store: ObjectStore, tmp_path: Path) -> None:
    store.write("there", b"")
    assert not store.exists("missing")
    for ask in (store.read, store.read_tagged, lambda key: store.download(key, tmp_path / "copy")):
        with pytest.raises(ObjectMissingError, match=r"^There is no missing in .*\.$"):
            ask("missing")
    assert not (tmp_path / "copy").exists()


def test_listing_takes_prefixes_as_text_and_sorts(store: ObjectStore) -> None:
    keys = ["b/1", "a/2", "a/10/deep", "ab", "a/1"]
    for key in keys:
        store.write(key, key.encode())
    assert [(info.key, info.size) for info in store.list()] == [(key, len(key)) for key in sorted(keys)]
    assert [info.key for info in store.list("a")] == ["a/1", "a/10/deep", "a/2", "ab"]
    assert [info.key for info in store.list("a/1")] == ["a/1", "a/10/deep"]
    assert [info.key for info in store.list("a/10/")] == ["a/10/deep"]
    assert list(store.list("nothing/")) == []
    assert {info.key: info.etag for info in store.list()}["ab"] == store.read_tagged("ab")[1]


def test_writing_on_condition(store: ObjectStore) -> None:
    first = store.write_if("pointer", b"1", None)
    assert store.read_tagged("pointer") == (b"1", first)
    with pytest.raises(ConflictError, match="changed by somebody else"):
        store.write_if("pointer", b"other", None)
    second = store.write_if("pointer", b"2", first)
    with pytest.raises(ConflictError):
        store.write_if("pointer", b"late", first)
    assert store.read_tagged("pointer") == (b"2", second)


def test_a_condition_on_what_is_not_there_fails(store: ObjectStore) -> None:
    store.write("other", b"")
    with pytest.raises(ConflictError):
        store.write_if("pointer", b"1", store.read_tagged("other")[1])
    assert not store.exists("pointer")


@pytest.mark.parametrize(
    "key", ["", "a/../../b", "..", "./a", "/../a", "a/", "a//", "a\nb", "a\0b", "a/.ritm-lock"]
)
def test_keys_cannot_lead_elsewhere(store: ObjectStore, key: str, tmp_path: Path) -> None:
    for ask in (
        store.read,
        store.exists,
        lambda key: store.write(key, b""),
        lambda key: store.write_if(key, b"", None),
        lambda key: store.download(key, tmp_path / "copy"),
    ):
        with pytest.raises(StoreError, match="cannot be the key"):
            ask(key)


def test_a_file_that_is_not_there_cannot_be_written(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read: No such file"):
        store.write("x", tmp_path / "nothing")
    assert not store.exists("x")


def test_a_full_disk_is_a_sentence(store: ObjectStore) -> None:
    """Where the copy is to go is a disk of its own that is full at once."""
    store.write("x", BODY)
    with pytest.raises(StoreError, match="cannot be written"):
        store.download("x", Path("/proc/self/copy"))
