"""Options for secrets, which may stand in files as those of services do."""

from __future__ import annotations

from collections.abc import Callable


def in_file(*variables: str) -> Callable[[], str | None]:
    """The default of an option that the first of these variables sets: what the file of one of them holds.

    Calling it raises SettingsError where a file cannot be read.
    """

    def read() -> str | None:
        from ritm_ops.environment import secret_in_file

        found = map(secret_in_file, variables)
        return next((secret for secret in found if secret is not None), None)

    return read
