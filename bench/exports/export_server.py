"""A bucket with a large export, for `exports.py`: tasks of Label Studio's target storage, and pictures.

Pictures have 320 x 240 pixels, other bytes each, and one mask with a ragged edge. Run as a program, this is a
server that makes every object when it is asked for, so that it needs neither memory nor time to be filled.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import cv2
import numpy as np
from PIL import Image

from ritm_model.masks import brush_rle

HEIGHT, WIDTH = 240, 320
KINDS = 50  # different drawings; the rest are these under other names
BUCKET = "bench"
PAGE = 1000
THREADS = 8
ACCESS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


class Tasks:
    """The objects of a bucket: for each task labels/0000001, with its annotation, and images/0000001.jpg."""

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
        annotation = json.dumps({"id": number, "was_cancelled": False, "updated_at": "2026-01-01T00:00:00Z"})
        annotation = f'{annotation[:-1]}, "result": {self.results[number % KINDS]}}}'
        task = json.dumps({"id": number, "data": {"image": f"s3://{BUCKET}/images/{number:07}.jpg"}})
        return f'{task[:-1]}, "annotations": [{annotation}]}}'.encode()

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


def fill(url: str, count: int) -> None:
    """Put the objects of so many tasks into an empty S3 server."""
    tasks, client = Tasks(count), boto3.client("s3", endpoint_url=url)
    client.create_bucket(Bucket=BUCKET)

    def put(number: int) -> None:
        for key in (f"labels/{number:07}", f"images/{number:07}.jpg"):
            client.put_object(Bucket=BUCKET, Key=key, Body=tasks.body(key))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(put, range(1, count + 1)))


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


if __name__ == "__main__":
    serve(int(sys.argv[1]))
