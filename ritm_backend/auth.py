"""Basic authentication: optional on this machine, on by default beyond it."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping
from hmac import compare_digest

from werkzeug.datastructures import Authorization
from werkzeug.wrappers import Request

from ritm_backend.settings import Settings

GENERATED_USER = "ritm"


def generated_credentials(settings: Settings) -> Mapping[str, str]:
    """Environment variables with a new user and password, for a server that others reach and nobody guards.

    Nothing for one that only this machine reaches, that has credentials, or that is told to go without.
    """
    if settings.auth == "off" or settings.basic_auth_user is not None or is_loopback(settings.host):
        return {}
    return {"BASIC_AUTH_USER": GENERATED_USER, "BASIC_AUTH_PASS": secrets.token_urlsafe(18)}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on a name or address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_allowed(request: Request, settings: Settings) -> bool:
    """Whether the request names the configured user and password; without any, everybody may ask."""
    if settings.basic_auth_user is None or settings.basic_auth_pass is None:
        return True
    given = credentials(request)
    if given is None:
        return False
    # Both are always compared, so that the time taken does not tell which one was wrong.
    user = _equal(given.username, settings.basic_auth_user)
    password = _equal(given.password, settings.basic_auth_pass.get_secret_value())
    return user and password


def credentials(request: Request) -> Authorization | None:
    """User and password that a request names; None where there are none, or they cannot be read."""
    try:
        given = request.authorization
    except ValueError:  # bytes that are no text
        return None
    return given if given is not None and given.type == "basic" else None


def _equal(given: str | None, expected: str) -> bool:
    return compare_digest((given or "").encode(errors="replace"), expected.encode())
