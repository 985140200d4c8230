"""A small client of Label Studio's REST API: one token of either kind, one sentence per failure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr

from ritm_model.errors import RitmError
from ritm_ops.deadline import Deadline
from ritm_ops.label_studio.tokens import LabelStudioToken
from ritm_ops.network import NetworkAccess

JSON = dict[str, "JSON"] | list["JSON"] | str | int | float | bool | None

LEGACY_DISABLED = "legacy token authentication has been disabled"
TIMEOUT_S = (10.0, 130.0)  # to connect; to answer, longer than Label Studio waits for a backend (100 s)


class LabelStudioError(RitmError):
    """Label Studio cannot be reached or refuses a request.

    `status` is the HTTP status, 0 without an answer; `detail` is Label Studio's own explanation.
    """

    def __init__(self, message: str, status: int = 0, detail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail


class LabelStudioClient:
    """Calls Label Studio as one user. Use it as a context manager, it holds connections.

    Args:
        url: address of Label Studio, such as `http://localhost:8080`; a sub-path is kept.
        token: personal access token, or legacy token where the organization still accepts those.

    Raises LabelStudioError when the address or the token cannot be one.
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise LabelStudioError(
                f"{url!r} is not an address of Label Studio such as http://localhost:8080."
            )
        self.url = parts._replace(query="", fragment="").geturl().rstrip("/")
        if not re.fullmatch(r"[!-~]+", token.strip()):  # it becomes part of a header
            raise LabelStudioError("The token of Label Studio must be one word, as Label Studio shows it.")
        self._token = LabelStudioToken(SecretStr(token.strip()), self._exchange)
        self._network = NetworkAccess.from_environment()
        self._session = self._network.session()

    def __enter__(self) -> LabelStudioClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: JSON = None,
    ) -> JSON:
        """Send one request with the user's token and return the decoded answer.

        Raises LabelStudioError; its message is fit to show, `status` and `detail` allow a better one.
        """
        headers = {"Authorization": self._token.header(Deadline.after(sum(TIMEOUT_S)))}
        return self._send(method, path, headers=headers, params=params, body=body)

    def _exchange(self, personal_token: str, _: Deadline) -> str:
        answer = self._send("POST", "/api/token/refresh/", body={"refresh": personal_token})
        if not isinstance(answer, dict) or not isinstance(answer.get("access"), str):
            raise LabelStudioError(f"{self.url} gives no access token for the personal access token.")
        return str(answer["access"])

    def _proxy_failure(self, error: Exception) -> str:
        """A sentence for a proxy that cannot be reached or does not let us through."""
        proxy = self._network.proxy_of(self.url)
        status = re.search(r"Tunnel connection failed: (\d{3})", str(error))
        if proxy is not None and status:
            return proxy.refusal(int(status[1]), self.url)
        return f"{proxy or 'The proxy'} cannot be reached; hosts that need none are listed in NO_PROXY."

    def _send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
        body: JSON = None,
    ) -> JSON:
        try:
            # A redirect would turn a POST into a GET and might carry the token elsewhere.
            answer = self._session.request(
                method,
                self.url + path,
                headers=headers,
                params=params,
                json=body,
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
        except requests.Timeout:
            raise LabelStudioError(f"Label Studio at {self.url} takes too long to answer.") from None
        except requests.exceptions.ProxyError as error:
            raise LabelStudioError(self._proxy_failure(error)) from None
        except requests.exceptions.SSLError:
            raise LabelStudioError(
                f"The certificate of Label Studio at {self.url} is not trusted; a private authority is made "
                "known with RITM_CA_FILE or SSL_CERT_FILE."
            ) from None
        except (requests.RequestException, UnicodeError):
            raise LabelStudioError(f"Label Studio cannot be reached at {self.url}.") from None
        proxy = self._network.proxy_of(self.url)
        if proxy is not None and not answer.ok and not _is_json(answer):  # Label Studio's own errors are JSON
            raise LabelStudioError(proxy.refusal(answer.status_code, self.url), answer.status_code)
        if answer.is_redirect:
            raise LabelStudioError(
                f"{self.url} redirects to {_origin(answer.headers['Location'])}: give that address instead.",
                answer.status_code,
            )
        if not answer.ok:
            raise _refusal(self.url, answer)
        if not answer.content:
            return None
        try:
            decoded: JSON = answer.json()
        except requests.JSONDecodeError:
            raise LabelStudioError(f"{self.url} does not answer like Label Studio.") from None
        return decoded


def _is_json(answer: requests.Response) -> bool:
    return "json" in answer.headers.get("Content-Type", "")


def _refusal(url: str, answer: requests.Response) -> LabelStudioError:
    detail = _detail(answer)
    if answer.status_code == 401:
        if LEGACY_DISABLED in detail:
            sentence = (
                "This is a legacy token, which your organization does not accept: make a personal access "
                "token in Label Studio under Account & Settings > Personal Access Token."
            )
        else:
            sentence = (
                f"Label Studio at {url} does not accept the token: copy it again from Account & Settings > "
                "Personal Access Token."
            )
    elif answer.status_code == 403:
        sentence = f"Label Studio does not permit this to the token's user: {detail}"
    else:
        sentence = f"Label Studio at {url} answered {answer.status_code}: {detail}"
    return LabelStudioError(sentence, answer.status_code, detail)


def _detail(answer: requests.Response) -> str:
    """Label Studio's explanation in one line, without markup."""
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        return answer.reason
    if not isinstance(body, dict):
        return answer.reason
    errors = body.get("validation_errors")
    if isinstance(errors, dict) and errors:
        texts = (text for each in errors.values() for text in (each if isinstance(each, list) else [each]))
        return " ".join(" ".join(str(text) for text in texts).split())
    return str(body.get("detail", answer.reason))


def _origin(location: str) -> str:
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else location
