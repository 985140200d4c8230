"""What to tell the administrator when a server answers with something other than the picture."""

from __future__ import annotations

from dataclasses import dataclass

from ritm_ops.label_studio.tokens import LabelStudioToken
from ritm_ops.pictures.errors import FetchError
from ritm_ops.pictures.transport import HttpResponse
from ritm_ops.pictures.urls import HttpUrl

_OF_PROXIES = frozenset({403, 502, 503, 504})
"""What a proxy answers itself, as servers do."""


@dataclass(frozen=True)
class RefusedFetch:
    """An answer that is neither a picture nor a redirect.

    Attributes:
        answer: status, and the proxy that may have given it.
        shown: the picture, as the task names it.
        start: where the fetch began.
        url: what was answered, after redirects.
        token: the configured token.
        is_home: whether it is Label Studio's own answer.
        has_token: whether the token was sent, if there is one.
        spelling: a sentence, where Label Studio is named in another way than the setting does.
    """

    answer: HttpResponse
    shown: str
    start: HttpUrl
    url: HttpUrl
    token: LabelStudioToken | None
    is_home: bool
    has_token: bool
    spelling: str = ""

    def error(self) -> FetchError:
        """The sentence, as an error to raise."""
        status, url, proxy = self.answer.status, self.url, self.answer.proxy
        if proxy is not None and status == 407:
            return FetchError(proxy.refusal(status, url.authority))
        if proxy is not None and status in _OF_PROXIES:
            return FetchError(
                f"{proxy}, or what is behind it, answered {status} for the image {self.shown}; hosts that "
                "are reached without it are listed in NO_PROXY."
            )
        if self.spelling:
            return FetchError(self.spelling)
        if self.is_home and status in (401, 403):
            return FetchError(self._unauthorized())
        if self.is_home and status == 404:
            return FetchError(
                f"Label Studio has no image {self.shown}, or none that the user of LABEL_STUDIO_API_KEY may "
                "see (cloud images also need a storage of the project that covers them)."
            )
        if self.is_home and status == 500 and "/data/upload/" in url.path:
            return FetchError(
                f"Label Studio answered 500 for the image {self.shown}, as it does for an upload that it "
                "does not have; its log says more."
            )
        start = self.start
        if status in (401, 403) and url.host == start.host and url.origin != start.origin:
            return FetchError(
                f"{start.scheme}://{start.authority} redirects to {url.scheme}://{url.authority}, where no "
                f"token is sent, and got {status}: if that is Label Studio, put it into LABEL_STUDIO_URL."
            )
        return FetchError(f"{url.authority} answered {status} for the image {self.shown}.")

    def _unauthorized(self) -> str:
        shown, status, token = self.shown, self.answer.status, self.token
        if not self.has_token:
            return (
                f"Label Studio wants a token for the image {shown}, which is sent only to paths that serve "
                "data, such as /data/upload/."
            )
        if token is None:
            return f"Label Studio wants a token for the image {shown}: set LABEL_STUDIO_API_KEY."
        if status == 403:
            return f"The Label Studio user of LABEL_STUDIO_API_KEY may not see the image {shown}."
        if token.is_personal:
            return f"Label Studio refused the token in LABEL_STUDIO_API_KEY for the image {shown}."
        return (
            f"Label Studio refused the legacy token in LABEL_STUDIO_API_KEY for the image {shown}; newer "
            "versions switch legacy tokens off, so use a personal access token."
        )


def other_spelling(url: HttpUrl, label_studio: HttpUrl | None) -> str:
    """A sentence for a picture of Label Studio under an address that the setting does not have."""
    theirs = f"{url.scheme}://{url.authority}"
    if label_studio is None:
        return f"The image {url} is kept in Label Studio: set LABEL_STUDIO_URL (to {theirs}, if that is it)."
    ours = f"{label_studio.scheme}://{label_studio.authority}"
    return (
        f"The image {url} lies on the same server as LABEL_STUDIO_URL, which is spelled {ours}; the token "
        f"goes to that spelling only, so set LABEL_STUDIO_URL to {theirs}{label_studio.path.rstrip('/')}."
    )
