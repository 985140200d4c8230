"""Optional basic authentication."""

from __future__ import annotations

from hmac import compare_digest

from flask import Request

from ritm_backend.settings import Settings


def is_allowed(request: Request, settings: Settings) -> bool:
    """Whether the request names the configured user and password; without any, everybody may ask."""
    if settings.basic_auth_user is None or settings.basic_auth_pass is None:
        return True
    given = request.authorization
    if given is None or given.type != "basic":
        return False
    # Both are always compared, so that the time taken does not tell which one was wrong.
    user = _equal(given.username, settings.basic_auth_user)
    password = _equal(given.password, settings.basic_auth_pass.get_secret_value())
    return user and password


def _equal(given: str | None, expected: str) -> bool:
    return compare_digest((given or "").encode(errors="replace"), expected.encode())
