"""Images that exports only name: from S3, from Label Studio with its token, from folders that are allowed.

Whoever writes a task chooses its address, so nothing else is asked: the token goes to the configured Label
Studio alone, and other hosts are only asked where they are listed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from pydantic import SecretStr

from ritm_model.datasets.files import inside
from ritm_model.datasets.problems import BrokenFileError
from ritm_model.errors import shown
from ritm_ops.label_studio.tokens import token_type
from ritm_ops.object_store import ObjectStore, open_store
from training.exports.errors import ExportError

MOST_BYTES = 200_000_000
TIMEOUT_SECONDS = (5.0, 60.0)
MOST_REDIRECTS = 4
_LOCAL_FILES = "/data/local-files/"
_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class ImageAccess:
    """Where images may come from, besides the export itself and S3, and how S3 is asked.

    Attributes:
        label_studio_url: address of Label Studio, or None.
        label_studio_token: of a user who may see the images; sent there and nowhere else.
        local_roots: folders in which names and Label Studio's local files are looked for.
        allowed_hosts: other hosts that may be asked by http or https, without a token.
        store_seconds: longest silence of S3 before it is asked again, for labels and images.
    """

    label_studio_url: str | None = None
    label_studio_token: SecretStr | None = None
    local_roots: tuple[Path, ...] = ()
    allowed_hosts: frozenset[str] = frozenset()
    store_seconds: float = 30


@dataclass
class Pictures:
    """Fetches images; keeps an access token of Label Studio while it is valid."""

    access: ImageAccess
    session: requests.Session = field(default_factory=requests.Session)
    _header: str | None = None
    _buckets: dict[str, ObjectStore] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.session.trust_env = False  # neither proxies nor the logins of ~/.netrc

    def local(self, reference: str) -> Path | None:
        """The file that a reference names in one of the allowed folders, if there is one."""
        return found_in(self.access.local_roots, local_name(reference))

    def fetch(self, reference: str) -> bytes:
        """The bytes of an image.

        Raises:
            ExportError: it may not be had, or cannot be.
            StoreError: S3 cannot be used, or does not have it.
        """
        if reference.startswith("s3://"):
            return self._read_s3(reference)
        if reference.startswith("data:"):
            return _from_data_url(reference)
        if "://" in reference:
            return self._get(reference)
        if not reference.startswith("/"):
            raise ExportError(f"{brief(reference)} is in none of the folders that images may come from.")
        if self.access.label_studio_url is None:
            raise ExportError(f"{brief(reference)} lies in Label Studio, whose address is not set.")
        return self._get(self.access.label_studio_url.rstrip("/") + reference)

    def _read_s3(self, reference: str) -> bytes:
        bucket, _, key = reference.removeprefix("s3://").partition("/")
        if bucket not in self._buckets:
            self._buckets[bucket] = open_store(f"s3://{bucket}", timeout_seconds=self.access.store_seconds)
        return self._buckets[bucket].read(key)

    def _get(self, url: str) -> bytes:
        for _ in range(MOST_REDIRECTS):
            answer = self._asked(url)
            with answer:
                if answer.is_redirect:
                    url = urljoin(url, answer.headers["Location"])
                    continue
                if answer.status_code != requests.codes.ok:
                    raise ExportError(f"{brief(url)} answers with status {answer.status_code}.")
                return _body(answer, url)
        raise ExportError(f"{brief(url)} redirects too often.")

    def _asked(self, url: str) -> requests.Response:
        """One request. Raises ExportError where nobody may be asked or nobody answers."""
        origin = origin_of(url)
        if self.access.label_studio_url and origin == origin_of(self.access.label_studio_url):
            answer = self._send(url, self._authorization())
            if answer.status_code == requests.codes.unauthorized and self._header:
                answer.close()
                self._header = None  # an access token lasts five minutes
                answer = self._send(url, self._authorization())
            return answer
        if origin[1] not in self.access.allowed_hosts:
            raise ExportError(f"{brief(url)} is not asked: its host is not among those that are allowed.")
        return self._send(url, {})

    def _send(self, url: str, headers: dict[str, str]) -> requests.Response:
        try:
            return self.session.get(
                url, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True
            )
        except (requests.RequestException, UnicodeError) as error:
            raise ExportError(f"{brief(url)} cannot be reached ({type(error).__name__}).") from None

    def _authorization(self) -> dict[str, str]:
        if self.access.label_studio_token is None:
            return {}
        if self._header is None:
            token = self.access.label_studio_token.get_secret_value()
            kind = token_type(token)
            self._header = (
                f"Bearer {self._exchanged(token)}"
                if kind == "refresh"
                else f"{'Token' if kind is None else 'Bearer'} {token}"
            )
        return {"Authorization": self._header}

    def _exchanged(self, token: str) -> str:
        """An access token for a personal access token."""
        url = f"{str(self.access.label_studio_url).rstrip('/')}/api/token/refresh/"
        try:
            answer = self.session.post(
                url, json={"refresh": token}, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
            content = answer.json() if answer.ok else None
        except (requests.RequestException, ValueError):
            content = None
        if not isinstance(content, dict) or not isinstance(content.get("access"), str):
            raise ExportError("Label Studio gives no access token for the personal access token.")
        return str(content["access"])


def local_name(reference: str) -> str:
    """The name below a folder that a reference stands for."""
    if urlsplit(reference).path.endswith(_LOCAL_FILES):
        return parse_qs(urlsplit(reference).query).get("d", [""])[0]
    return reference


def found_in(folders: tuple[Path, ...], name: str) -> Path | None:
    """The first file of this name in a folder; links that lead out of it do not count."""
    for folder in folders:
        try:
            path = inside(folder, name)
            if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
                return path
        except (BrokenFileError, OSError):  # noqa: PERF203  (a name that one folder refuses may be in another)
            continue
    return None


def base_name(reference: str) -> str:
    """The file name in a reference, safe and short."""
    parts = urlsplit(reference) if not reference.startswith("data:") else urlsplit("")
    query = parse_qs(parts.query).get("d", [""])[0]
    name = PurePosixPath(query or parts.path).name
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)[-80:]


def brief(reference: str) -> str:
    """A reference as people may see it: without user, query and signatures."""
    try:
        parts = urlsplit(reference)
    except ValueError:
        return "An image address"
    if parts.scheme == "data":
        return "A data: address"
    return shown(
        f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else parts.path
    )


def origin_of(url: str) -> Origin:
    """Scheme, host and port. Raises ExportError for what is no address."""
    try:
        parts = urlsplit(url)
        if parts.scheme in _PORTS and parts.hostname and parts.username is None:
            return parts.scheme, parts.hostname.lower(), parts.port or _PORTS[parts.scheme]
    except ValueError:
        pass
    raise ExportError(f"{brief(url)} is no address that images are fetched from.")


def _body(answer: requests.Response, url: str) -> bytes:
    body = bytearray()
    for chunk in _chunks(answer, url):
        body += chunk
        if len(body) > MOST_BYTES:
            raise ExportError(f"{brief(url)} has more than {MOST_BYTES:,} bytes.")
    return bytes(body)


def _chunks(answer: requests.Response, url: str) -> Iterator[bytes]:
    try:
        yield from answer.iter_content(1 << 18)
    except requests.RequestException:
        raise ExportError(f"{brief(url)} breaks off before its end.") from None


def _from_data_url(reference: str) -> bytes:
    head, _, body = reference.partition(",")
    try:
        if head.endswith(";base64") and len(body) < 2 * MOST_BYTES:
            return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise ExportError("The data: address of an image cannot be read.")
