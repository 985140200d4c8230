"""The token reaches Label Studio, in the form it wants, and nobody else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr

from ritm_ops.label_studio.tokens import LabelStudioToken
from ritm_ops.pictures import FetchError, PictureFetcher
from ritm_ops.pictures.transport import Deadline

Make = Callable[..., PictureFetcher]
CAT = "/data/upload/1/cat.png"


@pytest.fixture
def fetcher(label_studio: Any, make_fetcher: Make) -> PictureFetcher:
    return make_fetcher(
        label_studio_url=label_studio.url,
        label_studio_api_key=label_studio.personal_token,
        allowed_hosts="127.0.0.1",
    )


def test_a_personal_token_is_exchanged_once_and_kept(label_studio: Any, fetcher: PictureFetcher) -> None:
    for _ in range(3):
        assert fetcher.fetch(CAT) == b"cat"
    assert label_studio.issued["access"] == 1
    sent = [seen.headers["authorization"] for seen in label_studio.server.seen if seen.method == "GET"]
    assert all(header.startswith("Bearer ") for header in sent)
    assert not any(label_studio.personal_token in header for header in sent)


def test_an_expired_access_token_is_replaced(label_studio: Any, fetcher: PictureFetcher) -> None:
    assert fetcher.fetch(CAT) == b"cat"
    label_studio.expire()
    assert fetcher.fetch(CAT) == b"cat"
    assert label_studio.issued["access"] == 2


def test_an_access_token_is_replaced_before_its_five_minutes_are_over(make_jwt: Callable[..., str]) -> None:
    now = [0.0]
    asked: list[float] = []

    def exchange(personal_token: str, deadline: Deadline) -> str:
        asked.append(now[0])
        return f"access{len(asked)}"

    token = LabelStudioToken(SecretStr(make_jwt(token_type="refresh")), exchange, clock=lambda: now[0])
    for now[0] in (0.0, 200.0, 299.0, 300.0, 600.0):
        header = token.header(Deadline.after(10))
    assert asked == [0.0, 299.0, 600.0]
    assert header == "Bearer access3"


def test_a_second_refusal_is_an_error(label_studio: Any, fetcher: PictureFetcher) -> None:
    label_studio.server.serves(CAT, b"", 401)
    with pytest.raises(FetchError, match="refused the token in LABEL_STUDIO_API_KEY"):
        fetcher.fetch(CAT)
    assert label_studio.issued["access"] == 2


def test_many_threads_share_one_exchange(label_studio: Any, fetcher: PictureFetcher) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(fetcher.fetch, [CAT] * 16)) == {b"cat"}
    assert label_studio.issued["access"] == 1


def test_a_revoked_personal_token(
    label_studio: Any, make_fetcher: Make, make_jwt: Callable[..., str]
) -> None:
    revoked = make_jwt(token_type="refresh", jti="revoked")
    fetcher = make_fetcher(label_studio_url=label_studio.url, label_studio_api_key=revoked)
    with pytest.raises(FetchError, match="expired or was revoked"):
        fetcher.fetch(CAT)


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"access": 5}', b'{"access": "a\\nb"}'])
def test_an_odd_answer_to_the_exchange(answer: bytes, label_studio: Any, fetcher: PictureFetcher) -> None:
    label_studio.server.serves("/api/token/refresh/", answer)
    with pytest.raises(FetchError, match="is LABEL_STUDIO_URL the exact address"):
        fetcher.fetch(CAT)


def test_a_wrong_legacy_token_points_to_personal_ones(label_studio: Any, make_fetcher: Make) -> None:
    fetcher = make_fetcher(label_studio_url=label_studio.url, label_studio_api_key="0" * 40)
    with pytest.raises(FetchError, match="use a personal access token"):
        fetcher.fetch(CAT)


def test_an_access_token_is_sent_as_it_is(
    label_studio: Any, make_fetcher: Make, make_jwt: Callable[..., str]
) -> None:
    access = make_jwt(token_type="access", jti="mine")
    label_studio.valid.add(f"Bearer {access}")
    fetcher = make_fetcher(label_studio_url=label_studio.url, label_studio_api_key=access)
    assert fetcher.fetch(CAT) == b"cat"
    assert label_studio.issued["access"] == 0


def test_the_token_stays_behind_when_label_studio_redirects(
    label_studio: Any, serve: Callable[..., Any], fetcher: PictureFetcher
) -> None:
    """Not even a redirect back to Label Studio gets it again: its target was chosen elsewhere."""
    other = serve()
    label_studio.server.redirects("/data/upload/1/away.png", f"{other.url}/back")
    other.redirects("/back", f"{label_studio.url}{CAT}")
    with pytest.raises(FetchError):
        fetcher.fetch("/data/upload/1/away.png")
    assert "authorization" not in other.seen[0].headers
    assert "authorization" not in label_studio.server.seen[-1].headers
    assert label_studio.server.seen[-1].target == CAT


def test_a_redirect_to_the_login_page_is_a_refusal(label_studio: Any, fetcher: PictureFetcher) -> None:
    label_studio.server.redirects(CAT, "/user/login/?next=/data/upload")
    with pytest.raises(FetchError, match="refused the token"):
        fetcher.fetch(CAT)


def test_neither_errors_nor_logs_nor_reprs_hold_a_token(
    label_studio: Any, fetcher: PictureFetcher, caplog: pytest.LogCaptureFixture
) -> None:
    shown: list[str] = []
    with caplog.at_level(logging.DEBUG):
        assert fetcher.fetch(CAT) == b"cat"
        access = next(iter(header for header in label_studio.valid if header.startswith("Bearer")))
        label_studio.server.serves("/boom", b"", 500)
        label_studio.server.serves("/cut", b"abc", content_length="100")
        for reference in ("/missing?sig=topsecret", "/boom", "/cut", "s3://bucket/none?sig=topsecret"):
            with pytest.raises(FetchError) as caught:
                fetcher.fetch(reference, task_id=7)
            shown += [str(caught.value), repr(caught.value)]
    shown += [repr(vars(fetcher)), caplog.text]
    for secret in (label_studio.personal_token, access.split()[1], "topsecret"):
        assert not any(secret in text for text in shown)
