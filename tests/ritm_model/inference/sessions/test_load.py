"""When load is high: one wait too long with others behind it, until waits are short again."""

from __future__ import annotations

import pytest

from ritm_model.inference.sessions.load import QUIET_SECONDS, Load


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        pytest.param([(0.3, 5), (0.31, 5)], [False, True], id="longer than allowed"),
        pytest.param([(9, 0)], [False], id="nobody else waits"),
        pytest.param([(1, 1), (0.3, 1), (0.08, 0)], [True, True, True], id="between the two"),
        pytest.param([(1, 1), (0.075, 9), (0.3, 9)], [True, False, False], id="calm again"),
    ],
)
def test_load_is_high_from_a_long_wait_to_a_short_one(
    waits: list[tuple[float, int]], expected: list[bool]
) -> None:
    load = Load(0.3)
    assert [load.after_wait(*wait) for wait in waits] == expected
    assert load.is_high == expected[-1]


def test_load_is_low_when_nobody_has_clicked_for_a_while() -> None:
    now = 100.0
    load = Load(0.3, lambda: now)
    assert load.after_wait(1, 1)
    now += QUIET_SECONDS - 1
    assert load.is_high
    now += 1
    assert not load.is_high
    assert not load.after_wait(0.2, 1)


def test_without_a_limit_it_never_is() -> None:
    load = Load(None)
    assert not load.after_wait(100, 100)
    assert not load.is_high
