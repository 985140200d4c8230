"""Versions of models in an object store, and the one that is live."""

from ritm_ops.registry.cache import last_fetched
from ritm_ops.registry.keys import CARD, LIVE_PREFIX, REPORT, WEIGHTS, version_of
from ritm_ops.registry.records import Change, LiveModel, Manifest, RefusedError, RegistryError
from ritm_ops.registry.versions import Registry

__all__ = [
    "CARD",
    "LIVE_PREFIX",
    "REPORT",
    "WEIGHTS",
    "Change",
    "LiveModel",
    "Manifest",
    "RefusedError",
    "Registry",
    "RegistryError",
    "last_fetched",
    "version_of",
]
