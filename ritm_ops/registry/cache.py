"""Versions that were fetched to this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from ritm_ops.registry.keys import CARD, WEIGHTS

_KEPT = 4


def last_fetched(name: str, cache_dir: Path) -> Path | None:
    """The weights of a model's version that was fetched last, where they are still here; asks no registry."""
    kept = [path for path in (cache_dir / name).glob(f"*/{WEIGHTS}") if path.with_name(CARD).is_file()]
    return max(kept, key=lambda path: path.parent.stat().st_mtime, default=None)


def keep_few(folder: Path) -> None:
    """Keep this version and the few that were fetched last before it."""
    (folder / WEIGHTS).parent.touch()
    used = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for unused in used[_KEPT:]:
        shutil.rmtree(unused, ignore_errors=True)
