"""Models of pipelines are loaded when they are wanted, and few are held."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ritm_backend.model_host import ModelHost
from ritm_backend.pipelines import ModelHosts, NoPipelineError


def test_what_was_used_longest_ago_goes() -> None:
    made: list[str] = []

    def maker(name: str) -> Callable[[], ModelHost]:
        def make() -> ModelHost:
            made.append(name)
            return ModelHost(lambda: None, name)

        return make

    hosts = ModelHosts(ModelHost(lambda: None, "usual"), {name: maker(name) for name in "abc"}, most=2)
    for name in "abaca":
        hosts.of(name)
    assert made == ["a", "b", "c"]
    hosts.of("b")
    assert made == ["a", "b", "c", "b"]
    assert [host.version for host in hosts.held] == ["usual", "a", "b"]
    with pytest.raises(NoPipelineError, match="start it with RITM_PIPELINES"):
        ModelHosts(hosts.usual).of("a")
