"""Run `ritm` and get killed on the way: `killed_run.py MOMENT ARGUMENTS...`.

A moment is "module.name, after=N": the process gets SIGKILL when the N-th call of that name is over, or with
"after=0, call=N" when the N-th call begins. With "--processes", that happens to the second process only.
"signal=15" in place of SIGKILL sends another signal, "group=1" to the whole process group, and "parent=1" to
the parent of the process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from ritm_model import files
from ritm_model.cli.main import ritm
from ritm_model.learning.loop import launch, loop, trainer

MODULES = {"trainer": trainer, "loop": loop, "files": files}


def deadly(
    function: Callable[..., Any],
    after: int,
    call: int = 0,
    signal: int = signal.SIGKILL,
    group: int = 0,
    parent: int = 0,
) -> Callable[..., Any]:
    """Make a function that kills its process."""
    calls = 0

    def kill() -> None:
        if group:
            # By another process, as schedulers do: workers take a signal of their parent for something else.
            command = ["kill", f"-{int(signal)}", "--", f"-{os.getpgid(0)}"]
            subprocess.run(command, check=True, start_new_session=True)
        else:
            os.kill(os.getppid() if parent else os.getpid(), signal)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            kill()
        result = function(*args, **kwargs)
        if calls == after:
            kill()
        return result

    return wrapped


def arm() -> None:
    """Make the function of the moment deadly."""
    place, *numbers = sys.argv[1].split(", ")
    owner: Any = None
    *path, name = place.split(".")
    for part in path:
        owner = MODULES[part] if owner is None else getattr(owner, part)
    counts = {key: int(value) for key, value in (number.split("=") for number in numbers)}
    setattr(owner, name, deadly(getattr(owner, name), **counts))


def one_of_them(*args: Any) -> Any:
    """Be one of several processes; only the second one is mortal."""
    if os.environ["RANK"] == "1":
        arm()
    return launch._one_of_them(*args)


if __name__ == "__main__":
    if "--processes" in sys.argv:
        launch._one_of_them = one_of_them
    else:
        arm()
    ritm(sys.argv[2:])
