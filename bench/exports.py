"""How much memory and time do large exports take, the first time and the next?

Serves tasks with masks over S3's protocol, as Label Studio's target storage writes them. Collects them twice
with one cache, each time in a process of its own, and prints tasks per second and the greatest memory:

    python bench/exports.py --tasks 100000

Pictures have 320 x 240 pixels and one mask with a ragged edge each. The server makes every object when it is
asked for, so that it needs neither memory nor time to be filled; each picture has other bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import cv2
import numpy as np
from PIL import Image

from ritm_model.masks import brush_rle

HEIGHT, WIDTH = 240, 320
KINDS = 50  # different drawings; the rest are these under other names
BUCKET = "bench"
PAGE = 1000
ACCESS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


class Tasks:
    """The objects of a bucket: labels/0000001 and images/0000001.jpg for each task."""

    def __init__(self, count: int) -> None:
        self.count = count
        random = np.random.default_rng(0)
        self.pictures: list[bytes] = []
        self.results: list[str] = []
        for _ in range(KINDS):
            noise_HW = random.normal(size=(HEIGHT, WIDTH))
            mask_HW = cv2.GaussianBlur(noise_HW, (0, 0), 20) > 0.01
            colours_HW3 = random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
            file = io.BytesIO()
            Image.fromarray(cv2.GaussianBlur(colours_HW3, (0, 0), 3)).save(file, "JPEG")
            self.pictures.append(file.getvalue())
            value = {"format": "rle", "rle": brush_rle.encode(mask_HW), "brushlabels": ["Cell"]}
            size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
            about = {"id": "r", "type": "brushlabels", "from_name": "brush", "to_name": "image"}
            self.results.append(json.dumps([{**about, **size, "value": value}]))

    def body(self, key: str) -> bytes:
        folder, _, name = key.partition("/")
        number = int(name.partition(".")[0])
        if folder == "images":
            return self.pictures[number % KINDS] + b"%09d" % number  # bytes after the end mark say nothing
        task = {"id": number, "data": {"image": f"s3://{BUCKET}/images/{number:07}.jpg"}}
        about = json.dumps({"id": number, "was_cancelled": False, "task": task})
        return f'{about[:-1]}, "result": {self.results[number % KINDS]}}}'.encode()

    def page(self, prefix: str, after: int) -> str:
        end = min(after + PAGE, self.count)
        suffix = ".jpg" if prefix.startswith("images") else ""
        more = end < self.count
        token = f"<NextContinuationToken>{end}</NextContinuationToken>" if more else ""
        rows = "".join(self._row(f"{prefix}{number:07}{suffix}") for number in range(after + 1, end + 1))
        return (
            f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{BUCKET}</Name>'
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>"
        )

    def _row(self, key: str) -> str:
        return (
            f"<Contents><Key>{key}</Key><LastModified>2026-11-22T23:56:30.000Z</LastModified>"
            f'<ETag>"{tag(key)}"</ETag><Size>5000</Size><StorageClass>STANDARD</StorageClass></Contents>'
        )


def tag(key: str) -> str:
    return hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()


def serve(count: int) -> None:
    """Serve until the process is ended; prints the address first."""
    tasks = Tasks(count)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body go out together

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            key = unquote(parts.path).removeprefix(f"/{BUCKET}").lstrip("/")
            if key:
                body = tasks.body(key)
            else:
                after = int(query.get("continuation-token", ["0"])[0])
                body = tasks.page(query.get("prefix", [""])[0], after).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{tag(key)}"')
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


def collect_once(out: Path, cache: Path) -> None:
    """Collect, and print what it took, as JSON; what it imports counts towards its memory."""
    from ritm_ops.pictures import PictureAccess
    from training.exports import Options, collect

    start = time.perf_counter()
    found = collect(
        f"s3://{BUCKET}/labels", out, images=PictureAccess(allowed_buckets=None), options=Options(cache=cache)
    )
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"photographs": found.photographs, "seconds": seconds, "memory_mb": memory}))


def runs(folder: Path) -> Iterator[tuple[str, dict[str, float]]]:
    for run in ("first", "second"):
        command = [sys.executable, __file__, "--collect", str(folder / run), str(folder / "cache")]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        yield run, json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("--collect", nargs=2, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.collect:
        collect_once(*arguments.collect)
    elif arguments.serve:
        serve(arguments.tasks)
    else:
        command = [sys.executable, __file__, "--serve", "--tasks", str(arguments.tasks)]
        with (
            tempfile.TemporaryDirectory(dir=arguments.folder) as folder,
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        ):
            assert server.stdout is not None
            os.environ |= {**ACCESS, "AWS_ENDPOINT_URL": server.stdout.readline().strip()}
            try:
                print(f"{arguments.tasks} tasks\nrun     tasks/s  seconds  memory (MB)")
                for run, said in runs(Path(folder)):
                    rate = said["photographs"] / said["seconds"]
                    print(
                        f"{run:<6} {rate:>8.0f} {said['seconds']:>8.1f} {said['memory_mb']:>12.0f}",
                        flush=True,
                    )
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
