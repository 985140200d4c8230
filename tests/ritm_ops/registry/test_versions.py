"""The registry: versions that are whole or not there, and one pointer that nobody moves unseen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ritm_model.checkpoints import load_model, model_version
from ritm_ops.object_store import ConflictError, ObjectStore, StoreError, open_store
from ritm_ops.registry import Registry, RegistryError

SMALL = Path(__file__).parents[2] / "models/h18s-synthetic.safetensors"
REPORT = {"noc_before": 6.5, "noc_after": 4.25, "objects": 40}

Checkpoint = Callable[[bytes], Path]


def test_a_real_model_comes_back_as_it_was_published(registry: Registry, tmp_path: Path) -> None:
    version = registry.publish("team", SMALL, REPORT)
    path = registry.fetch("team", version, tmp_path / "cache")
    assert model_version(path) == version == f"team-{sha256(SMALL.read_bytes()).hexdigest()[:8]}"
    ours, theirs = load_model(path).state_dict(), load_model(SMALL).state_dict()
    assert all(ours[key].equal(theirs[key]) for key in theirs)
    assert registry.report("team", version) == REPORT


def test_publishing_does_not_promote(registry: Registry, versions: list[str]) -> None:
    assert registry.live("team") is None
    assert registry.history("team") == ()
    assert [manifest.version for manifest in registry.versions("team")] == versions


def test_publishing_again_changes_nothing(
    registry: Registry, checkpoint: Checkpoint, store: ObjectStore
) -> None:
    first = registry.publish("team", checkpoint(b"one"), REPORT)
    before = list(store.list())
    assert registry.publish("team", checkpoint(b"one"), {"other": 1}) == first
    assert list(store.list()) == before


def test_what_was_interrupted_before_its_manifest_is_no_version(
    registry: Registry, checkpoint: Checkpoint, store: ObjectStore, versions: list[str], tmp_path: Path
) -> None:
    manifest = f"models/team/{versions[0]}/manifest.json"
    (tmp_path / "registry" / manifest).unlink()
    assert len(registry.versions("team")) == 2
    for use in (
        lambda: registry.promote("team", versions[0], None),
        lambda: registry.fetch("team", versions[0], tmp_path / "cache"),
    ):
        with pytest.raises(RegistryError, match=r"There is no version team-\w+ of team"):
            use()
    assert registry.publish("team", checkpoint(b"one"), REPORT) == versions[0]
    assert store.exists(manifest)


def test_history_says_who_changed_what_and_why(registry: Registry, versions: list[str]) -> None:
    one, two, three = versions
    registry.promote("team", one, None, by="anna", why="first")
    registry.promote("team", two, one)
    registry.promote("team", three, two)
    registry.rollback("team", by="bob", why="odd masks")
    live = registry.rollback("team")
    assert live == registry.live("team")
    assert live.version == one
    changes = registry.history("team")
    assert [(change.kind, change.previous, change.version) for change in changes] == [
        ("promote", None, one),
        ("promote", one, two),
        ("promote", two, three),
        ("rollback", three, two),
        ("rollback", two, one),
    ]
    assert (changes[0].by, changes[0].why) == ("anna", "first")
    assert (changes[0].noc_before, changes[0].noc_after) == (6.5, 4.25)
    assert (changes[3].by, changes[3].why) == ("bob", "odd masks")
    assert changes[1].by
    with pytest.raises(RegistryError, match="nothing to go back to"):
        registry.rollback("team")


def test_after_a_rollback_and_a_promotion_the_next_rollback_skips_the_bad_version(
    registry: Registry, versions: list[str]
) -> None:
    one, two, three = versions
    registry.promote("team", one, None)
    registry.promote("team", two, one)
    registry.rollback("team")
    registry.promote("team", three, one)
    assert registry.rollback("team").version == one


def test_of_two_who_expect_the_same_one_is_told(registry: Registry, versions: list[str]) -> None:
    one, two, three = versions
    registry.promote("team", one, None)
    registry.promote("team", two, one)
    with pytest.raises(ConflictError, match=rf"{two} is live and not {one}, as expected"):
        registry.promote("team", three, one)
    assert registry.promote("team", two, one) == registry.live("team"), "promoting what is live does nothing"
    assert len(registry.history("team")) == 2


def test_of_many_processes_one_promotes(tmp_path: Path, registry: Registry, versions: list[str]) -> None:
    """All see the same live version, wait for each other, and promote a version of their own."""
    code = """
import sys
from ritm_ops.object_store import ConflictError, open_store
from ritm_ops.registry import Registry
registry = Registry(open_store(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    registry.promote("team", sys.argv[2], None, by=sys.argv[2])
    print("done")
except ConflictError:
    print("conflict")
"""
    promoters = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "registry"), version],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for version in versions
    ]
    for promoter in promoters:
        assert promoter.stdout is not None
        assert promoter.stdout.readline() == "ready\n"
    for promoter in promoters:
        assert promoter.stdin is not None
        promoter.stdin.write("\n")
        promoter.stdin.flush()
    answers = [promoter.communicate(timeout=60)[0].strip() for promoter in promoters]
    assert sorted(answers) == ["conflict", "conflict", "done"]
    live = registry.live("team")
    assert live is not None
    assert live.version == versions[answers.index("done")]
    assert len(live.history) == 1


def test_nothing_to_roll_back(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="No version of team is live"):
        registry.rollback("team")


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "é"])
def test_names_are_plain(registry: Registry, checkpoint: Checkpoint, name: str, tmp_path: Path) -> None:
    for use in (
        lambda: registry.live(name),
        lambda: registry.publish(name, checkpoint(b"one"), {}),
        lambda: registry.fetch("team", name, tmp_path),
    ):
        with pytest.raises(RegistryError, match="cannot name a model or version"):
            use()


def test_a_checkpoint_that_does_not_fit_its_card_is_not_published(
    registry: Registry, checkpoint: Checkpoint, store: ObjectStore
) -> None:
    path = checkpoint(b"one")
    path.write_bytes(b"two")
    with pytest.raises(RegistryError, match="its SHA-256 is not the one in its card"):
        registry.publish("team", path, REPORT)
    path.with_suffix(".json").unlink()
    with pytest.raises(RegistryError, match="cannot be read"):
        registry.publish("team", path, REPORT)
    assert list(store.list()) == []


class _Mangling:
    """A store that loses the end of everything that it is asked to keep below `.../weights`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self, key: str, data: bytes | Path) -> None:
        whole = data if isinstance(data, bytes) else data.read_bytes()
        self._store.write(key, whole[:-1])


def test_what_the_store_does_not_give_back_is_not_published(
    store: ObjectStore, checkpoint: Checkpoint
) -> None:
    with pytest.raises(RegistryError, match="is damaged"):
        Registry(_Mangling(store)).publish("team", checkpoint(b"one"), REPORT)
    assert not any(info.key.endswith("manifest.json") for info in store.list())


@pytest.mark.parametrize("file", ["model.safetensors", "model.json"])
def test_what_was_damaged_in_the_store_is_not_fetched(
    registry: Registry, versions: list[str], store: ObjectStore, tmp_path: Path, file: str
) -> None:
    store.write(f"models/team/{versions[0]}/{file}", b"other")
    with pytest.raises(RegistryError, match=f"models/team/{versions[0]}/{file} in .* is damaged"):
        registry.fetch("team", versions[0], tmp_path / "cache")
    assert not (tmp_path / "cache/team" / versions[0] / file).exists()


def test_the_cache_is_used_repaired_and_kept_small(
    registry: Registry, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    versions = [registry.publish("team", checkpoint(bytes([n])), {}) for n in range(6)]
    path = registry.fetch("team", versions[0], cache)
    inode = path.stat().st_ino
    assert registry.fetch("team", versions[0], cache).stat().st_ino == inode
    path.write_bytes(b"damaged")
    assert registry.fetch("team", versions[0], cache).read_bytes() == bytes([0])
    for version in versions[1:]:
        registry.fetch("team", version, cache)
    assert {path.name for path in (cache / "team").iterdir()} == set(versions[2:])


@pytest.mark.parametrize(
    "pointer", [b"", b"[]", b'{"name": "team"}', b'{"format_version": 2, "name": "team", "version": "x"}']
)
def test_a_damaged_pointer_is_a_sentence(registry: Registry, store: ObjectStore, pointer: bytes) -> None:
    store.write("models/team/live.json", pointer)
    with pytest.raises(RegistryError, match=r"models/team/live\.json in .* is damaged"):
        registry.live("team")


def test_the_registry_needs_no_networks() -> None:
    code = "import sys, ritm_ops.registry; sys.exit('torch' in sys.modules or 'boto3' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_store_out_of_reach_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    registry = Registry(open_store(str(tmp_path / "file")))
    assert registry.live("team") is None
    with pytest.raises(StoreError, match="cannot be written"):
        registry.publish("team", SMALL, REPORT)
