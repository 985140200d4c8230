"""Pictures that are asked for by http or https: who is asked, and who gets the token.

For each hop of one fetch: resolve, judge the addresses, connect to a judged one, or to the proxy. The Label
Studio token goes along as long as every hop so far was a path of the configured Label Studio that serves
data; once a redirect has left it, the token is not sent again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from ritm_ops.deadline import Deadline
from ritm_ops.label_studio.tokens import LabelStudioToken
from ritm_ops.network import Proxy
from ritm_ops.pictures.access import PictureAccess
from ritm_ops.pictures.addresses import Address, AddressPolicy, Resolver, is_internal_name
from ritm_ops.pictures.errors import FetchError
from ritm_ops.pictures.label_studio import LabelStudioPlace, serves_data
from ritm_ops.pictures.refusals import RefusedFetch, other_spelling
from ritm_ops.pictures.transport import Dialer, HttpResponse, Transport
from ritm_ops.pictures.urls import HttpUrl, brief

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_OK = 200


class WebPictures:
    """Gets pictures from addresses, and those of Label Studio with its token; thread-safe.

    Args:
        access: what may be read.
        resolve: looks up the addresses of (host, port).
        dial: opens a TCP connection to (address, port) within so many seconds.
    """

    def __init__(self, access: PictureAccess, resolve: Resolver, dial: Dialer) -> None:
        url, token = access.label_studio_url, access.label_studio_token
        self.label_studio = LabelStudioPlace(HttpUrl.parse(url)) if url else None
        self._access = access
        self._token = LabelStudioToken(token, self._access_token) if token else None
        self._resolve = resolve
        self._policy = AddressPolicy(
            label_studio=self.label_studio.base.origin if self.label_studio else None,
            hosts=frozenset(entry for entry in access.allowed_hosts if isinstance(entry, str)),
            networks=tuple(entry for entry in access.allowed_hosts if not isinstance(entry, str)),
        )
        self._transport = Transport(access.limits, access.network.tls(), dial)

    def on_label_studio(self, path: str) -> HttpUrl:
        """The URL of a path on Label Studio. Raises FetchError where none is set."""
        if self.label_studio is None:
            raise FetchError(
                f"The image {brief(path)} is kept in Label Studio: "
                "set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY."
            )
        return self.label_studio.at(path)

    def get(self, url: HttpUrl, shown: str) -> bytes:
        """The body of the answer, over at most five redirects.

        Args:
            url: where it begins.
            shown: the picture as sentences name it.

        Raises:
            FetchError: it may not be asked for, is refused, or does not come in time.
        """
        deadline = Deadline.after(self._access.limits.total_seconds)
        start, is_home = url, True
        for _ in range(_MOST_REDIRECTS + 1):
            # Having left Label Studio once, nobody may send the token back to an address of their choice.
            is_home = is_home and self.label_studio is not None and self.label_studio.is_here(url)
            has_token = is_home and self.label_studio is not None and self.label_studio.gets_token(url)
            answer = self._authorized(url, deadline) if has_token else self._exchange(url, deadline, {})
            if answer.status == _OK:
                return answer.body
            refusal = RefusedFetch(
                answer,
                shown,
                start,
                url,
                self._token,
                is_home=is_home,
                has_token=has_token,
                spelling=self._spelling(url) if answer.status in (401, 403) else "",
            )
            if answer.status not in _REDIRECTS or not answer.location:
                raise refusal.error()
            url = url.join(answer.location)
            if url.path.rstrip("/").endswith("/user/login") and (is_home or serves_data(start)):
                raise RefusedFetch(
                    HttpResponse(401),
                    shown,
                    start,
                    url,
                    self._token,
                    is_home=is_home,
                    has_token=has_token,
                    spelling=self._spelling(start),
                ).error()
        raise FetchError(f"The image {shown} is redirected more than {_MOST_REDIRECTS} times.")

    def _spelling(self, url: HttpUrl) -> str:
        """A sentence, where a URL names Label Studio in another way than LABEL_STUDIO_URL does."""
        place = self.label_studio
        if place is None or place.is_here(url) or not serves_data(url):
            return other_spelling(url, None) if place is None and serves_data(url) else ""
        try:
            ours = self._resolve(place.base.host, place.base.port)
            theirs = self._resolve(url.host, url.port)
        except (OSError, UnicodeError):
            return ""
        is_same = place.base.port == url.port and (
            set(ours) & set(theirs) or all(each.is_loopback for each in (*ours, *theirs))
        )
        return other_spelling(url, place.base) if is_same else ""

    def _authorized(self, url: HttpUrl, deadline: Deadline) -> HttpResponse:
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
        url = self.on_label_studio("/api/token/refresh/")
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
    ) -> HttpResponse:
        proxy = self._access.network.proxies.of(url.scheme, url.host, url.port)
        try:
            found = self._addresses(url, proxy)
            self._policy.check(url, found)
        except FetchError:
            if spelling := self._spelling(url):
                raise FetchError(spelling) from None
            raise
        if proxy is not None:
            found = self._addresses_of(proxy)
        return self._transport.exchange(url, found, deadline, headers, post, proxy)

    def _addresses(self, url: HttpUrl, proxy: Proxy | None) -> Sequence[Address]:
        """The addresses of a host, to be judged; none where only the proxy can tell them."""
        try:
            return self._resolve(url.host, url.port)
        except (OSError, UnicodeError):
            # What a proxy makes of a name cannot be judged here: inner names are not passed on.
            if proxy is not None and (self._policy.names(url) or not is_internal_name(url.host)):
                return ()
            raise FetchError(f"The host {url.host} of the image {url} cannot be found.") from None

    def _addresses_of(self, proxy: Proxy) -> Sequence[Address]:
        try:
            return self._resolve(proxy.host, proxy.port)
        except (OSError, UnicodeError):
            raise FetchError(f"{proxy} cannot be found: there is no host of that name.") from None
