"""Objects by key, in an S3 bucket or in a folder, with the same behaviour: where models and exports lie."""

from ritm_ops.object_store.address import environment_keys, open_store
from ritm_ops.object_store.store import (
    ConflictError,
    ObjectInfo,
    ObjectMissingError,
    ObjectStore,
    ObjectTooLargeError,
    StoreError,
    UnconditionalError,
)

__all__ = [
    "ConflictError",
    "ObjectInfo",
    "ObjectMissingError",
    "ObjectStore",
    "ObjectTooLargeError",
    "StoreError",
    "UnconditionalError",
    "environment_keys",
    "open_store",
]
