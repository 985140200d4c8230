"""Which photographs are held out of learning."""

import hashlib


def is_held_out(name: str, share: float) -> bool:
    """Whether the photograph of this name is held out. It follows from the name and the share alone."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
