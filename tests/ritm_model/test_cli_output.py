"""What several commands print."""

import io

import pytest

from ritm_model.cli.output import echo_table, progress_bar


class Screen(io.StringIO):
    """Somebody watches."""

    def isatty(self) -> bool:
        return True


def test_cells_stand_below_each_other(capsys):
    echo_table([("NAME", "SIZE"), ("bundled", 7)])
    assert capsys.readouterr().out == "NAME     SIZE\nbundled  7\n"


def test_a_bar_shows_how_far_it_is_and_a_note():
    screen = Screen()
    with progress_bar("", hidden=False, unit="step", mininterval=0, file=screen) as on_progress:
        on_progress(0, 4, title="learn")
        on_progress(3, 4, note="about 1 min left", title="learn")
    *_, last = (line for line in screen.getvalue().split("\r") if line.strip())
    assert last.startswith("learn:  75%")
    assert "3/4" in last
    assert "about 1 min left" in last


@pytest.mark.parametrize(("hidden", "file"), [(True, Screen()), (False, io.StringIO())])
def test_there_is_no_bar_for_programs_and_log_files(hidden, file):
    with progress_bar("learn", hidden=hidden, file=file) as on_progress:
        on_progress(1, 2)
    assert file.getvalue() == ""
