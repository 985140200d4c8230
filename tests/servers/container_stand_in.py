"""In place of `docker compose`: runs what it would run in containers as processes of this machine.

Started as `docker`, with a folder in STAND_IN: `commands` gets a line for each call, and what containers know
as /label-studio/data is `files` there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def main() -> int:
    folder = Path(os.environ["STAND_IN"])
    words = sys.argv[1:]
    with (folder / "commands").open("a") as log:
        log.write(" ".join(words) + "\n")
    command = inside(words)
    if not command:
        return 0
    here = [str(folder / "files") if word == "/label-studio/data" else word for word in command]
    return subprocess.run(here, check=False).returncode


def inside(words: list[str]) -> list[str]:
    """What runs in the container; nothing where containers only start or stop."""
    assert words[0] == "compose", words
    verb, *rest = words[1:]
    if verb == "exec":
        assert rest[0] == "-T", "else there is no way through for bytes"
        return rest[2:]
    if verb == "run":
        program = ["ritm"]
        while rest[0].startswith("-"):
            option = rest.pop(0)
            if option == "--entrypoint":
                program = [rest.pop(0)]
        return [*program, *rest[1:]]
    return []


if __name__ == "__main__":
    sys.exit(main())
