"""The order in which requests get places, by examples and by properties."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ritm_ops.admission.queue import FairQueue, Request, Requester, Standing

ANNA, BEN, CARL = Requester("studio", "1"), Requester("studio", "2"), Requester("elsewhere", "3")
EVERYBODY = (ANNA, BEN, CARL)
NEVER = float("inf")


def admitted(queue: FairQueue, now: float = 0) -> list[Request]:
    return [request for request in queue.admit(now) if request.standing is Standing.HAS_PLACE]


def order(queue: FairQueue) -> list[Requester]:
    """Who gets the one place, one after the other."""
    found: list[Requester] = []
    while got := admitted(queue):
        found += [request.annotator for request in got]
        for request in got:
            queue.leave(request)
    return found


def test_annotators_take_turns_however_much_one_of_them_asks() -> None:
    queue = FairQueue(1, each=1)
    for annotator in (ANNA, ANNA, ANNA, BEN, BEN):
        queue.join(annotator, None, NEVER)
    assert order(queue) == [ANNA, BEN, ANNA, BEN, ANNA]


def test_clients_take_turns_however_many_annotators_one_of_them_has() -> None:
    queue = FairQueue(1, each=1)
    for annotator in (ANNA, BEN, ANNA, BEN, CARL):
        queue.join(annotator, None, NEVER)
    assert order(queue) == [ANNA, CARL, BEN, ANNA, BEN]


def test_one_annotator_has_a_share_of_the_places_only() -> None:
    queue = FairQueue(4, each=2)
    for _ in range(5):
        queue.join(ANNA, None, NEVER)
    assert len(admitted(queue)) == 2
    queue.join(BEN, None, NEVER)
    assert [request.annotator for request in admitted(queue)] == [BEN]


def test_the_newest_request_for_an_object_takes_the_place_of_the_older_ones() -> None:
    queue = FairQueue(1, each=1)
    old, _ = queue.join(ANNA, "cat", NEVER)
    dog, _ = queue.join(ANNA, "dog", NEVER)
    new, superseded = queue.join(ANNA, "cat", NEVER)
    assert superseded == [old]
    assert old.standing is Standing.SUPERSEDED
    assert queue.waiting == 2
    assert admitted(queue) == [new]
    queue.leave(new)
    assert admitted(queue) == [dog]


def test_a_request_with_a_place_is_not_superseded() -> None:
    queue = FairQueue(1, each=1)
    first, _ = queue.join(ANNA, "cat", NEVER)
    assert admitted(queue) == [first]
    assert queue.join(ANNA, "cat", NEVER)[1] == []
    assert first.standing is Standing.HAS_PLACE


def test_whoever_is_too_late_is_told_and_gets_no_place() -> None:
    queue = FairQueue(1, each=1)
    late, _ = queue.join(ANNA, None, 5)
    in_time, _ = queue.join(ANNA, None, 6)
    assert queue.admit(5) == [late, in_time]
    assert (late.standing, in_time.standing) == (Standing.TOO_LATE, Standing.HAS_PLACE)


STEP = st.one_of(
    st.tuples(
        st.just("join"),
        st.sampled_from(EVERYBODY),
        st.sampled_from([None, "a", "b"]),
        st.integers(1, 9),
    ),
    st.tuples(st.just("leave"), st.integers(0, 20)),
    st.tuples(st.just("later"), st.integers(1, 3)),
)


@given(places=st.integers(1, 3), each=st.integers(1, 3), steps=st.lists(STEP, max_size=40))
def test_places_and_requests_are_never_lost(places: int, each: int, steps: list[tuple[object, ...]]) -> None:
    queue, now = FairQueue(places, each), 0
    requests: list[Request] = []
    for step in steps:
        match step:
            case ("join", Requester() as annotator, str() | None as name, int(patience)):
                requests.append(queue.join(annotator, name, now + patience)[0])
            case ("leave", int(which)) if requests:
                queue.leave(requests[which % len(requests)])
            case ("later", int(seconds)):
                now += seconds
        queue.admit(now)
        placed = [request for request in requests if request.standing is Standing.HAS_PLACE]
        waiting = [request for request in requests if request.standing is Standing.WAITS]
        assert len(placed) <= places
        assert queue.waiting == len(waiting)
        assert all(request.deadline > now for request in waiting)
        for annotator in (ANNA, BEN, CARL):
            assert sum(request.annotator == annotator for request in placed) <= each
        if len(placed) < places:  # somebody waits for his own share only
            for request in waiting:
                assert sum(other.annotator == request.annotator for other in placed) == each
    for request in requests:
        queue.leave(request)
    for _ in range(places):
        queue.join(ANNA, None, NEVER)
    assert len(admitted(queue, now)) == min(places, each)
