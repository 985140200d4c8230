"""From what a task says about its image to the image's bytes.

The road of one fetch: reference -> (bytes in the task | file in the mounted folder | URL) -> for each hop:
resolve, judge the addresses, connect to a judged one -> bytes. The Label Studio token goes along as long as
every hop so far was the configured Label Studio; once a redirect has left it, the token is not sent again.
"""

import base64
import json
from collections.abc import Sequence
from urllib.parse import quote

from ritm_ops.deadline import Deadline
from ritm_ops.label_studio.tokens import LabelStudioToken
from ritm_ops.pictures import addresses, transport
from ritm_ops.pictures.access import PictureAccess
from ritm_ops.pictures.addresses import Address, AddressPolicy, Resolver
from ritm_ops.pictures.data_urls import decode_data_url
from ritm_ops.pictures.errors import FetchError
from ritm_ops.pictures.local_files import local_file_name, read_local_file
from ritm_ops.pictures.refusals import refusal
from ritm_ops.pictures.transport import Answer, Dialer, Transport, trusted_authorities
from ritm_ops.pictures.urls import HttpUrl, brief, scheme_of

_STORAGE_SCHEMES = frozenset({"s3", "gs", "azure-blob"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_OK = 200


class PictureFetcher:
    """Fetches pictures by the references that stand in tasks; one per process, thread-safe.

    Args:
        access: what may be read.
        resolve: looks up the addresses of (host, port).
        dial: opens a TCP connection to (address, port) within so many seconds.
    """

    def __init__(
        self, access: PictureAccess, *, resolve: Resolver = addresses.resolve, dial: Dialer = transport.dial
    ) -> None:
        self._label_studio = HttpUrl.parse(access.label_studio_url) if access.label_studio_url else None
        token = access.label_studio_token
        self._token = LabelStudioToken(token, self._access_token) if token else None
        self._local_files_root = access.local_files_root
        self._limits = access.limits
        self._resolve = resolve
        self._policy = AddressPolicy(
            label_studio=self._label_studio.origin if self._label_studio else None,
            hosts=frozenset(entry for entry in access.allowed_hosts if isinstance(entry, str)),
            networks=tuple(entry for entry in access.allowed_hosts if not isinstance(entry, str)),
        )
        self._transport = Transport(self._limits, trusted_authorities(), dial)

    def fetch(self, reference: str, *, task_id: int | None = None) -> bytes:
        """Return the bytes of an image, undecoded.

        Args:
            reference: as it stands in the task: an upload or other path on Label Studio, a local file,
                `s3://`, `gs://` or `azure-blob://`, `http(s)://`, or a `data:` URL.
            task_id: the task, through which Label Studio opens cloud storage.

        Raises:
            FetchError: one sentence for the administrator, without secrets.
        """
        reference = reference.strip()
        try:
            reference.encode()
        except UnicodeEncodeError:  # JSON can spell halves of characters
            raise FetchError(f"The image address {brief(reference)} is not valid text.") from None
        scheme = scheme_of(reference)
        if scheme == "data":
            return decode_data_url(reference, self._limits.max_bytes)
        if scheme in _STORAGE_SCHEMES:
            return self._get(self._presign_url(reference, task_id), shown=brief(reference))
        if scheme not in (None, "http", "https"):
            raise FetchError(
                f"The image {brief(reference)} has an address of an unknown kind ({brief(scheme or '')}:); "
                "known are http, https, data, s3, gs, azure-blob and paths on Label Studio."
            )
        if self._local_files_root is not None:
            name = self._local_file_name(reference)
            if name is not None:
                return read_local_file(self._local_files_root, name, self._limits.max_bytes)
        url = self._on_label_studio(reference) if scheme is None else HttpUrl.parse(reference)
        return self._get(url, shown=str(url))

    def _local_file_name(self, reference: str) -> str | None:
        """Return the name of a local file, if the reference is to one of Label Studio's."""
        if scheme_of(reference) is None:
            return None if reference.startswith("//") else local_file_name(reference)
        url = HttpUrl.parse(reference)
        is_ours = self._label_studio is not None and url.origin == self._label_studio.origin
        return local_file_name(url.target) if is_ours else None

    def _on_label_studio(self, path: str) -> HttpUrl:
        """Return the URL of a path on Label Studio, which may itself be served below a path."""
        base = self._label_studio
        if base is None:
            raise FetchError(
                f"The image {brief(path)} is kept in Label Studio: "
                "set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY."
            )
        prefix = base.path.rstrip("/")
        is_complete = path.startswith("//") or (prefix and path.startswith(f"{prefix}/"))
        return base.join(path if is_complete else f"{prefix}/{path.lstrip('/')}")

    def _presign_url(self, reference: str, task_id: int | None) -> HttpUrl:
        if task_id is None:
            raise FetchError(
                f"The image {brief(reference)} is in cloud storage, which needs the id of a task."
            )
        encoded = quote(base64.urlsafe_b64encode(reference.encode()))
        return self._on_label_studio(f"/tasks/{task_id:d}/presign/?fileuri={encoded}")

    def _get(self, url: HttpUrl, shown: str) -> bytes:
        deadline = Deadline.after(self._limits.total_seconds)
        start, is_home = url, True
        for _ in range(_MOST_REDIRECTS + 1):
            # Having left Label Studio once, nobody may send the token back to an address of their choice.
            is_home = is_home and self._label_studio is not None and url.origin == self._label_studio.origin
            answer = self._authorized(url, deadline) if is_home else self._exchange(url, deadline, {})
            if answer.status == _OK:
                return answer.body
            if answer.status not in _REDIRECTS or not answer.location:
                raise refusal(answer.status, shown, start, url, is_home=is_home, token=self._token)
            url = url.join(answer.location)
            if is_home and url.path.rstrip("/").endswith("/user/login"):
                raise refusal(401, shown, start, url, is_home=True, token=self._token)
        raise FetchError(f"The image {shown} is redirected more than {_MOST_REDIRECTS} times.")

    def _authorized(self, url: HttpUrl, deadline: Deadline) -> Answer:
        """Ask Label Studio with the token, a second time when an access token has just expired."""
        if self._token is None:
            return self._exchange(url, deadline, {})
        header = self._header(self._token, deadline)
        answer = self._exchange(url, deadline, {"Authorization": header})
        if answer.status == 401 and self._token.is_personal:
            header = self._header(self._token, deadline, refused=header)
            answer = self._exchange(url, deadline, {"Authorization": header})
        return answer

    def _header(self, token: LabelStudioToken, deadline: Deadline, refused: str | None = None) -> str:
        try:
            return token.header(deadline, refused)
        except TimeoutError:
            raise FetchError("Label Studio gave no access token within RITM_FETCH_TOTAL_SECONDS.") from None

    def _access_token(self, personal_token: str, deadline: Deadline) -> str:
        url = self._on_label_studio("/api/token/refresh/")
        body = json.dumps({"refresh": personal_token}).encode()
        answer = self._exchange(url, deadline, {"Content-Type": "application/json"}, post=body)
        if answer.status == 401:
            raise FetchError(
                "Label Studio refused the personal access token in LABEL_STUDIO_API_KEY: it has expired "
                "or was revoked, so make a new one under Account & Settings."
            )
        try:
            access = json.loads(answer.body)["access"]
        except (ValueError, TypeError, KeyError):
            access = None
        if (
            answer.status != _OK
            or not isinstance(access, str)
            or not access.isascii()
            or not access.isprintable()
        ):
            raise FetchError(
                f"{url} answered {answer.status} without an access token: "
                "is LABEL_STUDIO_URL the exact address?"
            )
        return access

    def _exchange(
        self, url: HttpUrl, deadline: Deadline, headers: dict[str, str], post: bytes | None = None
    ) -> Answer:
        found = self._addresses(url)
        self._policy.check(url, found)
        return self._transport.exchange(url, found, deadline, headers, post)

    def _addresses(self, url: HttpUrl) -> Sequence[Address]:
        try:
            return self._resolve(url.host, url.port)
        except (OSError, UnicodeError):
            raise FetchError(f"The host {url.host} of the image {url} cannot be found.") from None
