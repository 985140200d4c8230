"""Logging in to Label Studio, which sees plain HTTP, behind a proxy with TLS (docs/deployment.md)."""

from __future__ import annotations

import pytest
import requests
from label_studio_server import PASSWORD, TLS_ORIGIN, USERNAME, LabelStudio


@pytest.mark.parametrize(("origin", "status"), [(TLS_ORIGIN, 302), ("https://unknown.example.com", 403)])
def test_logins_over_tls_are_taken_from_trusted_origins_only(
    studio: LabelStudio, origin: str, status: int
) -> None:
    with requests.Session() as browser:
        page = browser.get(f"{studio.url}/user/login/", timeout=30)
        assert page.ok
        form = {"email": USERNAME, "password": PASSWORD, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        headers = {"Host": "labels.example.com", "Origin": origin, "X-Forwarded-Proto": "https"}
        answer = browser.post(
            f"{studio.url}/user/login/",
            data=form,
            headers={**headers, "Cookie": f"csrftoken={browser.cookies['csrftoken']}"},
            allow_redirects=False,
            timeout=30,
        )
    assert answer.status_code == status
