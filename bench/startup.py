"""Seconds until something is there: the package, the help, the server that is ready to answer.

Each command runs as its own process with a warm file cache, all of them in turn; medians count.

    python bench/startup.py --rounds 7
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from served import Results, photo, served

RITM = Path(sys.executable).with_name("ritm")
COMMANDS = {
    "import ritm_model": [sys.executable, "-c", "import ritm_model"],
    "import ritm_model.inference": [sys.executable, "-c", "import ritm_model.inference"],
    "ritm --help": [str(RITM), "--help"],
    "ritm models list": [str(RITM), "models", "list"],
}


def seconds_of(command: list[str]) -> float:
    start = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()

    took: dict[str, list[float]] = {name: [] for name in COMMANDS}
    ready: dict[str, list[float]] = {"first start": [], "later starts": []}
    for index in range(asked.rounds + 1):
        for name, command in COMMANDS.items():
            seconds = seconds_of(command)
            if index:  # the first round fills the file cache
                took[name].append(seconds)
    picture = {"photo.jpg": photo((640, 480))}
    for _ in range(3):
        with TemporaryDirectory() as cache:
            for kind in ready:
                with served(picture, "bundled", RITM_MODELS=f"{cache}/models") as server:
                    ready[kind].append(server.ready_after_s)
    results = Results("startup", rounds=asked.rounds)
    for name, seconds_each in [*took.items(), *((f"ritm serve, {kind}", s) for kind, s in ready.items())]:
        results.row(
            what=name,
            median_s=round(median(seconds_each), 3),
            least_s=round(min(seconds_each), 3),
            most_s=round(max(seconds_each), 3),
            n=len(seconds_each),
        )


if __name__ == "__main__":
    main()
