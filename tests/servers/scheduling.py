"""Which tests go to one process when several run the suite.

The marks of pytest-xdist for this (`xdist_group`) do nothing from pytest 9.2 on: pytest-xdist 3.8 appends
their names to ids that pytest no longer reads.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

LONGEST = "Label Studio"
"""The group that takes longest: begun last, it would keep one process busy when the others have ended."""

TOGETHER = {
    "tests/e2e/label_studio/": LONGEST,
    "tests/e2e/stack/test_stack_setup.py": LONGEST,
    "tests/e2e/demo/": "demo",
    "tests/e2e/faults/": "faults",
    "tests/ritm_model/evaluation/report/": "report",
}
"""Modules that use the same servers, or what else takes long to make, by the beginning of their path."""

APART = (
    "tests/fuzz/test_fuzz.py",
    "tests/ritm_model/evaluation/test_run_golden.py",
    "tests/training/test_faults.py",
)
"""Modules of long tests that share nothing: whichever process is free takes the next one."""


class SharedTogether(LoadScopeScheduling):
    """Gives each module to one process, so that its fixtures are made once."""

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)


def scope(nodeid: str) -> str:
    """What the test with this id has in common with all that go to the same process."""
    path = nodeid.partition("::")[0]
    if goes_alone(nodeid):
        return nodeid
    return next((group for start, group in TOGETHER.items() if path.startswith(start)), path)


def goes_alone(nodeid: str) -> bool:
    """Whether any process may take this test, wherever the others of its module are."""
    return nodeid.partition("::")[0] in APART
