"""Why Label Studio does not take a backend, in the words of who has to act."""

from __future__ import annotations

from ritm_backend.connect.config import Finding
from ritm_ops.label_studio.client import LabelStudioError

ALLOW_LOCAL = (
    "Start Label Studio with ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false in its environment "
    "(since 1.23.1 it refuses backends on local addresses without both), then run this again."
)


def refused(error: LabelStudioError, url: str, *, has_login: bool) -> Finding:
    """The finding for a backend at this address that was refused."""
    detail = error.detail
    if is_local_refusal(detail):
        return local_refused(url)
    if error.status == 403:
        return Finding(
            "problem",
            "The token's user may not change this project's settings.",
            "Use the token of a project manager or administrator.",
        )
    if "authentication parameters" in detail or "401 Client Error" in detail:
        fix = (
            "Check the user and password, they are BASIC_AUTH_USER and BASIC_AUTH_PASS of the backend."
            if has_login
            else "Give --basic-auth-user, and the password in BASIC_AUTH_PASS."
        )
        return Finding("problem", f"The backend {url} asks for a user and password.", fix)
    if "connect to ML backend" in detail:
        return Finding(
            "problem",
            f"Label Studio cannot reach the backend at {url}.",
            "Start it with `ritm serve`; give the address that Label Studio's server sees, which from inside "
            "Docker is not 127.0.0.1 but for example http://host.docker.internal:9090.",
        )
    if "valid ML backend" in detail:
        return Finding("problem", f"What answers at {url} is no RITM backend.", "Check the address and port.")
    return Finding("problem", f"Label Studio does not take the backend {url}: {detail}")


def is_local_refusal(detail: str) -> bool:
    return "reserved network address" in detail


def local_refused(backend: str) -> Finding:
    return Finding("problem", f"Label Studio refuses the local address {backend}.", ALLOW_LOCAL)
