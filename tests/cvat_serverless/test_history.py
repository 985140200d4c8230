"""The order of the clicks, rebuilt from two lists and the memory of the last calls."""

from hypothesis import given
from hypothesis import strategies as st

from cvat_serverless.history import ClickHistory, lead_with_positive
from ritm_model.clicks import Click

P1, P2, P3 = Click(10, 10), Click(20, 20), Click(30, 30)
N1, N2 = Click(1, 1, False), Click(2, 2, False)


def ask(history: ClickHistory, *clicks: Click, image: str = "a") -> tuple[Click, ...]:
    """Send clicks as CVAT does: split by their sign."""
    return history.order(
        image, [c for c in clicks if c.is_positive], [c for c in clicks if not c.is_positive]
    )


def test_each_call_puts_its_new_click_at_the_end() -> None:
    history = ClickHistory()

    for n in range(1, 6):
        clicks = (P1, N1, N2, P2, P3)[:n]

        assert ask(history, *clicks) == clicks


def test_a_removed_click_leaves_the_order_of_the_others() -> None:
    history = ClickHistory()
    for n in range(1, 5):
        ask(history, *(P1, N1, N2, P2)[:n])

    assert ask(history, P1, N2, P2) == (P1, N2, P2)
    assert ask(history, P1, N2, P2, N1) == (P1, N2, P2, N1)


def test_a_removed_click_and_a_new_one_in_one_call() -> None:
    history = ClickHistory()
    for n in range(1, 4):
        ask(history, *(P1, N1, P2)[:n])

    assert ask(history, P1, N1, P3) == (P1, N1, P3)


def test_several_new_clicks_in_one_call_take_turns() -> None:
    """Holding Ctrl collects clicks and sends them together."""
    history = ClickHistory()
    ask(history, P1)

    assert ask(history, P1, P2, P3, N1, N2) == (P1, P2, N1, P3, N2)


def test_without_memory_the_first_click_is_positive() -> None:
    assert ask(ClickHistory(), N1, N2, P1) == (P1, N1, N2)


def test_lists_in_another_order_are_not_a_continuation() -> None:
    history = ClickHistory()
    for n in range(1, 4):
        ask(history, *(P1, N1, P2)[:n])

    assert ask(history, P2, P1, N1) == (P2, N1, P1)


def test_a_second_object_starts_anew_and_the_first_is_remembered() -> None:
    history = ClickHistory()
    for n in range(1, 4):
        ask(history, *(P1, N1, P2)[:n])

    assert ask(history, P3) == (P3,)
    assert ask(history, P3, N2) == (P3, N2)
    assert ask(history, P1, N1, P2, N2) == (P1, N1, P2, N2)


def test_images_do_not_mix() -> None:
    history = ClickHistory()
    ask(history, N1, P1, image="a")
    for n in range(1, 4):
        ask(history, *(P1, N1, P2)[:n], image="b")

    assert ask(history, P1, P2, N1, image="a") == (P1, N1, P2)
    assert ask(history, P1, P2, N1, image="b") == (P1, N1, P2)
    assert ask(history, P1, P2, N1, N2, image="c") == (P1, N1, P2, N2)


def test_memory_is_bounded() -> None:
    history = ClickHistory(max_images=2, max_objects=2)
    for image in "abc":
        ask(history, P1, image=image)
        ask(history, P1, P2, image=image)
        ask(history, P1, P2, N1, image=image)

    assert ask(history, P1, P2, N1, N2, image="a") == (P1, N1, P2, N2), "forgotten, so guessed"
    assert ask(history, P1, P2, N1, N2, image="c") == (P1, P2, N1, N2), "remembered"

    for n in range(3):
        ask(history, Click(50, n), image="c")
    assert ask(history, P1, P2, N1, N2, image="c") == (P1, N1, P2, N2), "an object of long ago"


def test_calls_without_clicks_push_no_object_out() -> None:
    """A box alone is such a call."""
    history = ClickHistory(max_objects=2)
    for n in range(1, 4):
        ask(history, *(P1, P2, N1)[:n])
    for _ in range(3):
        assert ask(history) == ()

    assert ask(history, P1, P2, N1, N2) == (P1, P2, N1, N2)


def test_a_sequence_never_starts_with_a_negative_click_where_a_positive_one_stands() -> None:
    assert lead_with_positive((N1, P1, N2, P2)) == (P1, N1, N2, P2)
    assert lead_with_positive((P1, N1)) == (P1, N1)
    assert lead_with_positive((N1, N2)) == (N1, N2)


clicks = st.builds(Click, st.integers(0, 9), st.integers(0, 9), st.booleans())


@given(st.lists(st.lists(clicks, max_size=8), max_size=6))
def test_no_click_is_lost_or_made_up_and_each_list_keeps_its_order(calls: list[list[Click]]) -> None:
    history = ClickHistory()
    for call in calls:
        ordered = ask(history, *call)

        for is_positive in (True, False):
            assert [c for c in ordered if c.is_positive is is_positive] == [
                c for c in call if c.is_positive is is_positive
            ]


@given(st.lists(clicks, max_size=8, unique=True))
def test_click_by_click_the_order_is_exact(sequence: list[Click]) -> None:
    history = ClickHistory()
    for n in range(1, len(sequence) + 1):
        assert ask(history, *sequence[:n]) == tuple(sequence[:n])
