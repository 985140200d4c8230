"""uWSGI as the stack runs Label Studio by it, before an application that tells how much it has been sent."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import requests
from processes import LABEL_STUDIO, free_port, require, serving, wait_until
from stack_files import uwsgi_variables

APPLICATION = """
def application(environment, start):
    body = environment["wsgi.input"].read()
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"%d bytes" % len(body)]
"""
SIZE, CHUNK = 50_000_000, 20_000


def test_a_slow_upload_ends_neither_itself_nor_what_runs_beside_it(tmp_path: Path) -> None:
    """uWSGI takes it for older than the limit of Label Studio's image (unbit/uwsgi#2706)."""
    uwsgi = LABEL_STUDIO.with_name("uwsgi")
    require(uwsgi.exists(), "no Label Studio in .venvs/label-studio (make test installs it)")
    (tmp_path / "application.py").write_text(APPLICATION)
    port = free_port()
    options = {"http": f"127.0.0.1:{port}", "module": "application", "threads": "$(UWSGI_NUMBER_OF_THREADS)"}
    options |= {"harakiri": "120", "post-buffering": "4096", "master": "true", "die-on-term": "true"}
    lines = [f"{name} = {value}" for name, value in options.items()]
    (tmp_path / "uwsgi.ini").write_text("\n".join(["[uwsgi]", *lines]))
    environment = {"PATH": os.environ["PATH"], **uwsgi_variables()}
    command, log = [uwsgi, "--ini", tmp_path / "uwsgi.ini"], tmp_path / "log"
    url = f"http://127.0.0.1:{port}"
    with (
        serving(command, environment, log, url=url, health="/", within_s=60) as server,
        socket.create_connection(("127.0.0.1", port), timeout=60) as upload,
    ):
        upload.sendall(f"POST / HTTP/1.0\r\nContent-Length: {SIZE}\r\n\r\n".encode())
        sent = 0

        def it_is_taken_for_too_old() -> bool:
            nonlocal sent
            upload.sendall(bytes(CHUNK))
            sent += CHUNK
            assert requests.get(url, timeout=60).text == "0 bytes"
            return "HARAKIRI" in server.text()

        wait_until(it_is_taken_for_too_old, "uWSGI's mistake", within_s=120, server=server)
        upload.sendall(bytes(SIZE - sent))
        with upload.makefile("rb") as answer:
            assert answer.read().endswith(f"{SIZE} bytes".encode())
    assert "died" not in log.read_text()
