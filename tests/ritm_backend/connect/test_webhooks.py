"""What is said when Label Studio takes no address of a backend for its events."""

from __future__ import annotations

import pytest

from ritm_backend.connect.webhooks import cure


@pytest.mark.parametrize(
    ("backend", "is_named"),
    [
        ("http://backend:9090", True),
        ("http://backend.internal:9090", False),
        ("http://localhost:9090", False),
        ("http://127.0.0.1:9090", False),
    ],
)
def test_names_of_one_word_are_told_what_to_become(backend: str, is_named: bool) -> None:
    assert ("backend.internal" in cure(backend)) is is_named
