"""How much memory and processor time do large exports take?

Writes an export of each format that the project reads, and does four steps, each in a process of its own:

read      find out what the export holds
collect   read it, convert all of it, and write one data set
divide    tell what is learnt from and what is held out, in a written data set
list      list that data set, as training does

Prints processor seconds, which other work on the machine does not change much, and the greatest memory:

    python bench/exports/exports.py --tasks 100000 --steps read divide list
    python bench/exports/exports.py --tasks 10000 --formats coco datumaro

The formats `s3` and `s3-moto` are Label Studio's target storage in a bucket, one task a key, of larger
pictures (320 x 240), collected twice with one cache: the second time, nothing has changed. `s3` is served by
`export_server.py`. `s3-moto` is served as in the tests, by moto, which keeps everything in memory and sorts
all keys for each page of a listing. The clock counts what servers take, too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import perf_counter

from export_files import FORMATS, drawings, written_file
from export_server import ACCESS, BUCKET, fill

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "servers"))

STEPS = ("read", "collect", "divide", "list")
BUCKETS = ("s3", "s3-moto")


def read(source: str, work: Path, images: Path | None) -> int:
    """Find out what an export holds. Returns how many photographs or annotations that are."""
    from training.exports.library import Library
    from training.exports.reading import Reader
    from training.exports.source import open_source
    from training.exports.tasks.rows import Rules

    with closing(Library(work, "")) as library:
        found = open_source(source, library, 30)
        reader = Reader(found, library, Rules(), (images,) if images else ())
        photographs, _ = reader.read(found.set_listing(), Counter())
        return len(photographs) + sum(1 for _ in library.tasks())


def collected(source: str, out: Path, images: Path | None, cache: Path | None) -> int:
    """Collect an export. Returns how many photographs it has."""
    from ritm_ops.pictures import PictureAccess
    from training.exports import Options, collect

    access = PictureAccess(allowed_buckets=None, local_roots=(images,) if images else ())
    return collect(source, out, images=access, options=Options(cache=cache)).photographs


def divided(folder: Path) -> int:
    from training.split import divide_dataset

    split = divide_dataset(folder, 0.2, 1)
    return split.learnt_images + split.held_out_images


def listed(folder: Path) -> int:
    from ritm_model.datasets.readers.coco_rle import coco_rle

    return len(coco_rle(folder, "").photographs)


def do(name: str, source: str, out: Path, images: Path | None, cache: Path | None) -> None:
    """Do one step, and print what it took as JSON; what it imports counts towards its memory."""
    steps = {
        "read": lambda: read(source, out, images),
        "collect": lambda: collected(source, out, images, cache),
        "divide": lambda: divided(out),
        "list": lambda: listed(out),
    }
    begun = perf_counter()
    count = steps[name]()
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = used.ru_utime + used.ru_stime
    clock = perf_counter() - begun
    print(
        json.dumps({"count": count, "seconds": seconds, "clock": clock, "memory_mb": used.ru_maxrss / 1024})
    )


def measured(label: str, name: str, source: str | Path, out: Path, *places: str | Path) -> None:
    """Do one step in a process of its own."""
    command = [sys.executable, __file__, "--step", name, source, out, *places]
    said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    seconds, memory = said["seconds"], said["memory_mb"]
    rate, clock = said["count"] / seconds, said["clock"]
    row = (
        f"{label:<14} {name:<8} {said['count']:>8} {seconds:>9.1f} {rate:>9.0f} {clock:>9.1f} {memory:>12.0f}"
    )
    print(row, flush=True)


@contextmanager
def bucket(form: str, tasks: int, folder: Path) -> Iterator[None]:
    """Serve a bucket, and name its address to the processes that are started."""
    os.environ |= ACCESS
    if form == "s3-moto":
        from s3_server import s3_server

        with s3_server(folder) as moto:
            fill(moto.url, tasks)
            os.environ["AWS_ENDPOINT_URL"] = moto.url
            yield
        return
    command = [sys.executable, str(Path(__file__).with_name("export_server.py")), str(tasks)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        os.environ["AWS_ENDPOINT_URL"] = server.stdout.readline().strip()
        try:
            yield
        finally:
            server.terminate()


def measure(form: str, steps: list[str], tasks: int, folder: Path) -> None:
    if form in BUCKETS:
        with bucket(form, tasks, folder):
            for run in (form, f"{form} again"):
                measured(run, "collect", f"s3://{BUCKET}/labels", folder / run, "", folder / "cache")
        return
    source = FORMATS[form](folder / form, tasks, drawings())
    for name in steps:
        if name in ("read", "collect"):
            measured(form, name, source, folder / name, folder / form / "images")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--formats", nargs="+", default=[*FORMATS, "s3"], choices=[*FORMATS, *BUCKETS])
    parser.add_argument("--steps", nargs="+", default=[*STEPS], choices=STEPS)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        name, source, out, images, cache = (*arguments.step, "", "")[:5]
        do(name, source, Path(out), Path(images) if images else None, Path(cache) if cache else None)
        return
    head = "format         step        found   seconds   a second  by clock  memory (MB)"
    print(f"{arguments.tasks} tasks\n{head}", flush=True)
    for form in arguments.formats:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            measure(form, arguments.steps, arguments.tasks, Path(folder))
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        written = Path(folder, "data")
        written_file(written, arguments.tasks, drawings())
        for name in arguments.steps:
            if name in ("divide", "list"):
                measured("written", name, "", written)


if __name__ == "__main__":
    main()
