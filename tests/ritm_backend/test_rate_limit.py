"""Requests per minute: a burst is fine, a flood is not, and one address costs another nothing."""

from hypothesis import given
from hypothesis import strategies as st

from ritm_backend.admission.rate_limit import RateLimit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_quiet_minute_may_be_spent_at_once_and_then_it_fills_steadily() -> None:
    clock = Clock()
    limit = RateLimit(60, clock)
    assert [limit.seconds_to_wait("a") for _ in range(60)] == [0] * 60
    assert limit.seconds_to_wait("a") == 1
    assert limit.seconds_to_wait("b") == 0
    clock.now += 1
    assert limit.seconds_to_wait("a") == 0
    assert limit.seconds_to_wait("a") == 1


@given(st.lists(st.floats(0, 5), min_size=1, max_size=200), st.integers(1, 100))
def test_no_address_gets_more_than_its_share(pauses: list[float], per_minute: int) -> None:
    clock = Clock()
    limit = RateLimit(per_minute, clock)
    taken = 0
    for pause in pauses:
        clock.now += pause
        taken += limit.seconds_to_wait("a") == 0
    assert taken <= per_minute + clock.now * per_minute / 60 + 1e-6


def test_it_remembers_a_bounded_number_of_addresses() -> None:
    limit = RateLimit(1, Clock())
    assert limit.seconds_to_wait("first") == 0
    for number in range(10_000):
        limit.seconds_to_wait(str(number))
    assert limit.seconds_to_wait("first") == 0  # forgotten
    assert limit.seconds_to_wait("9999") > 0
