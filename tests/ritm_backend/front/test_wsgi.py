"""From the head of a request to what an application sees of it."""

from __future__ import annotations

import pytest

from ritm_backend.front.connection import Head
from ritm_backend.front.wsgi import environment


@pytest.mark.parametrize(
    ("target", "host", "path", "query"),
    [
        (b"/versions?a=1", "localhost", "/versions", "a=1"),
        (b"http://attacker.example/versions?a=1", "attacker.example", "/versions", "a=1"),
        (b"https://attacker.example:9090", "attacker.example:9090", "/", ""),
    ],
)
def test_the_host_is_that_of_a_whole_address_where_one_is_asked_for(
    target: bytes, host: str, path: str, query: str
) -> None:
    environ = environment(Head("GET", target, ((b"host", b"localhost"),), "1.1"), "", ("127.0.0.1", 9090))
    assert (environ["HTTP_HOST"], environ["PATH_INFO"], environ["QUERY_STRING"]) == (host, path, query)
