"""`pull` from end to end: a published file on a server becomes a model in the models folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ritm_model.catalogue import Release, catalogue
from ritm_model.checkpoints import CheckpointError, load_model, read_card, resolve_model
from ritm_model.networks import InteractiveModel
from ritm_ops.download import CHUNK, DownloadError, WrongSizeError
from ritm_ops.pull import pull_model, release_source

NAME = "coco_lvis_h18s_itermask"
CUT = 300 * CHUNK


@pytest.fixture
def release() -> Release:
    found = catalogue().release(NAME)
    assert found is not None
    return found


def pull(release: Release, site: Any, **options: Any) -> Any:
    return pull_model(release, base_url=f"{site.url}/mirror/", pause_seconds=0.0, **options)


def test_a_release_becomes_a_model_that_can_be_used_by_name(
    release: Release,
    site: Any,
    pth_bytes: bytes,
    models_dir: Path,
    seeded_model: Callable[[str], InteractiveModel],
) -> None:
    with pytest.raises(CheckpointError, match=f"ritm models pull {NAME}"):
        resolve_model(NAME)
    site.body = pth_bytes
    card = pull(release, site)
    assert site.paths == [f"/mirror/{NAME}.pth"]
    path = resolve_model(NAME)
    assert path == models_dir / f"{NAME}.safetensors"
    expected = seeded_model("h18s_itm").state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in load_model(path).state_dict().items())
    assert card == read_card(path)
    assert card.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card.training.source_sha256 == hashlib.sha256(pth_bytes).hexdigest()
    assert card.training.source == f"{site.url}/mirror/{NAME}.pth"
    assert card.training.metrics["NoC GrabCut@90"] == 1.68
    assert card.training.licence.startswith("MIT.")
    assert "from a mirror" in card.training.summary
    assert sorted(file.name for file in models_dir.iterdir()) == [f"{NAME}.json", f"{NAME}.safetensors"]


def test_an_interrupted_pull_is_resumed(
    release: Release, site: Any, pth_bytes: bytes, models_dir: Path
) -> None:
    site.body, site.cuts = pth_bytes, [CUT]
    with pytest.raises(DownloadError):
        pull(release, site, attempts=1)
    assert (models_dir / f"{NAME}.pth.part").stat().st_size == CUT
    pull(release, site, attempts=1)
    assert site.ranges == [None, f"bytes={CUT}-"]
    load_model(resolve_model(NAME))


@pytest.mark.parametrize("damage", ["noise", "text", "packed"])
def test_a_corrupted_download_is_removed(
    release: Release, site: Any, pth_bytes: bytes, models_dir: Path, damage: str
) -> None:
    half = len(pth_bytes) // 2
    site.body = {
        "noise": pth_bytes[:half] + bytes(len(pth_bytes) - half),
        "text": b"<html>" + bytes(len(pth_bytes)),
        "packed": b"PK\x03\x04" + pth_bytes[4:-100] + bytes(100),
    }[damage]
    with pytest.raises(CheckpointError, match="is removed again"):
        pull(release, site)
    assert list(models_dir.iterdir()) == []


def test_another_network_under_the_name_is_refused(
    site: Any, pth_bytes: bytes, models_dir: Path, release: Release
) -> None:
    other = release.model_copy(update={"architecture": "hrnet18-baseline"})
    site.body = pth_bytes
    with pytest.raises(CheckpointError, match="another network than hrnet18-baseline"):
        pull(other, site)
    assert list(models_dir.iterdir()) == []


def test_a_file_of_another_size_is_refused(release: Release, site: Any, models_dir: Path) -> None:
    site.body = bytes(1000)
    with pytest.raises(WrongSizeError, match="has 1,000 bytes"):
        pull(release, site)
    assert list(models_dir.iterdir()) == []


def test_a_failed_pull_leaves_the_model_that_is_there(
    release: Release, site: Any, pth_bytes: bytes, models_dir: Path
) -> None:
    site.body = pth_bytes
    card = pull(release, site)
    site.body = b"<html>" + bytes(len(pth_bytes))
    with pytest.raises(CheckpointError):
        pull(release, site)
    load_model(resolve_model(NAME))
    assert read_card(resolve_model(NAME)) == card


def test_a_folder_that_cannot_be_made_is_told(
    release: Release, site: Any, models_dir: Path, pth_bytes: bytes
) -> None:
    models_dir.write_text("a file in its place")
    site.body = pth_bytes
    with pytest.raises(CheckpointError, match="cannot be written"):
        pull(release, site)


def test_published_sizes_leave_room_for_both_kinds_of_megabyte() -> None:
    for release in catalogue().models:
        source = release_source(release)
        assert source.url == release.url
        assert source.min_bytes < release.megabytes * 1e6 < release.megabytes * 2**20 < source.max_bytes
        # Weights are float32, and a file holds little else.
        assert source.min_bytes < release.parameters * 4 < source.max_bytes
