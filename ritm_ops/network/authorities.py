"""Whose certificates are trusted: the system's authorities, those of certifi, and private ones.

Private authorities stand in files of PEM certificates, which three variables name: `RITM_CA_FILE`, and what
other tools use already, `SSL_CERT_FILE` and `REQUESTS_CA_BUNDLE`. All of them are added to the public ones.
"""

from __future__ import annotations

import atexit
import ssl
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import certifi

from ritm_model.errors import RitmError

VARIABLES = ("RITM_CA_FILE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")

Named = tuple[tuple[str, Path], ...]
"""Variables and the files, or folders, that they name."""


class NetworkError(RitmError):
    """The environment names certificates or a proxy that cannot be used."""


def named_authorities(environment: Mapping[str, str]) -> Named:
    """The files of private authorities that an environment names."""
    return tuple((name, Path(environment[name])) for name in VARIABLES if environment.get(name))


@lru_cache(maxsize=8)
def trusted(authorities: Named) -> ssl.SSLContext:
    """A context that verifies certificates with all authorities. Raises NetworkError."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    for name, path in authorities:
        _trust(context, name, path)
    return context


def _trust(context: ssl.SSLContext, name: str, path: Path) -> None:
    try:
        if path.is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(path)
    except (OSError, ssl.SSLError):
        raise NetworkError(f"{name} names {path}, which is no file of PEM certificates.") from None


@lru_cache(maxsize=8)
def bundle(authorities: Named) -> Path | None:
    """All authorities in one file, for libraries that take no more; None where there are no private ones.

    Raises:
        NetworkError: a file cannot be read.
    """
    if not authorities:
        return None
    certificates = trusted(authorities).get_ca_certs(binary_form=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="ascii", prefix="ritm-authorities-", suffix=".pem", delete=False
    ) as file:
        file.writelines(map(ssl.DER_cert_to_PEM_cert, certificates))
    path = Path(file.name)
    atexit.register(path.unlink, missing_ok=True)
    return path
