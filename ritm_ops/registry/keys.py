"""Where the files of a version lie in a registry.

models/<name>/<version>/model.safetensors   the weights
models/<name>/<version>/model.json          their card
models/<name>/<version>/report.json         what was measured before and after
models/<name>/<version>/manifest.json       sizes and hashes of the three; written last, and once
models/<name>/<version>/filmstrips.json     pictures of held-out objects, click by click; of candidates only
models/<name>/live.json                     which version is live, and every change of that
models/<name>/rejected/<sha256>.json        what was decided of the version with these weights
models/<name>/trial.json                    which candidate is on trial, and what was counted of it
models/<name>/counts.json                   accepted objects and their clicks, by day and version
"""

from __future__ import annotations

import re

from ritm_model.errors import shown
from ritm_ops.registry.records import RegistryError

LIVE_PREFIX = "registry:"
"""What servers take as the name of a model begins with this where its live version is meant."""

WEIGHTS = "model.safetensors"
CARD = "model.json"
REPORT = "report.json"
MANIFEST = "manifest.json"
FILMSTRIPS = "filmstrips.json"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise RegistryError(
            f"'{shown(name)}' cannot name a model or version: letters, digits, dots, dashes, underscores do."
        )
    return name


def folder_of(name: str, version: str) -> str:
    return f"models/{checked_name(name)}/{checked_name(version)}"


def version_of(name: str, sha256: str) -> str:
    """What the version with these weights is called."""
    return f"{checked_name(name)}-{sha256[:8]}"


def decision_key(name: str, sha256: str) -> str:
    return f"models/{name}/rejected/{sha256}.json"


def live_key(name: str) -> str:
    return f"models/{name}/live.json"


def trial_key(name: str) -> str:
    return f"models/{name}/trial.json"


def counts_key(name: str) -> str:
    return f"models/{name}/counts.json"
