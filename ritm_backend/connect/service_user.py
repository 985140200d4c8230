"""A user of Label Studio for services, with a token of its own.

In the community edition all users of an organization have the same rights, so it may do no less than they.
But it is no administrator of the server, its token is revoked without anybody else's, and what it does stands
under its name.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import requests

from ritm_backend.connect.answers import record
from ritm_ops.label_studio.client import TIMEOUT_S, LabelStudioClient, LabelStudioError
from ritm_ops.network import NetworkAccess

_CSRF = "csrftoken"


def make_service_user(client: LabelStudioClient, email: str) -> str:
    """Make the user, by an invitation as people get them, and return a personal access token of it.

    Its password is made up and forgotten, so that nobody logs in as it.

    Args:
        client: of a user of the organization that it joins.
        email: its name; no mail is sent there.

    Raises:
        LabelStudioError: it cannot be made, for instance since it is there already.
    """
    invitation = record(client.call("GET", "/api/invite")).get("token")
    address = f"{client.url}/user/signup/"
    with NetworkAccess.from_environment().session() as session:
        page = _answer(session, "GET", address, {}, params={"token": str(invitation)})
        cookies = page.cookies.get_dict()
        form = {
            "email": email,
            "password": secrets.token_urlsafe(32),
            "csrfmiddlewaretoken": cookies.get(_CSRF, ""),
        }
        joined = _answer(session, "POST", address, cookies, params={"token": str(invitation)}, data=form)
        cookies |= joined.cookies.get_dict()
        if not joined.is_redirect:
            raise LabelStudioError(_why_not(joined, email), joined.status_code)
        made = _answer(session, "POST", f"{client.url}/api/token/", cookies)
    try:
        return str(made.json()["token"])
    except (requests.JSONDecodeError, KeyError, TypeError):
        raise LabelStudioError(
            f"{email} is a user of Label Studio now, but gets no personal access token "
            f"({made.status_code}): allow them under Organization > Access Token Settings.",
            made.status_code,
        ) from None


def _answer(
    session: requests.Session,
    method: str,
    url: str,
    cookies: Mapping[str, str],
    *,
    params: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
) -> requests.Response:
    """What a page of Label Studio answers a browser that has these cookies, redirects not followed.

    Cookies are sent as they are: behind TLS, Label Studio marks them for TLS only, but services of a stack
    reach it without.
    """
    headers = {"Referer": url, "X-CSRFToken": cookies.get(_CSRF, "")}
    try:
        return session.request(
            method,
            url,
            params=params,
            data=data,
            headers=headers,
            cookies=dict(cookies),
            timeout=TIMEOUT_S,
            allow_redirects=False,
        )
    except (requests.RequestException, UnicodeError):
        raise LabelStudioError(f"Label Studio does not answer at {url}.") from None


def _why_not(answer: requests.Response, email: str) -> str:
    if "User with this email already exists" in answer.text:
        return (
            f"Label Studio has a user {email} already: give another name, or take its token from where "
            "it was written."
        )
    if "Invalid email" in answer.text or "valid email" in answer.text:
        return f"{email!r} is no e-mail address, which Label Studio asks of names of users."
    return f"Label Studio does not let {email} join ({answer.status_code})."
