"""A host of images whose name means another address each time, told by a real name server to a real server.

The first address is one that images may come from, the next one this machine, where something else listens:
the address that was judged has to be the one that is connected to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections import UserDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

import pytest
from annotators import click
from backend import ritm_serve
from image_source import photograph
from name_server import name_server
from processes import Process, free_port, start_command

HOST = "images.example"
PUBLIC, INSIDE, NAMES = "127.0.0.2", "127.0.0.1", "127.0.0.53"


class Turning(UserDict[str, Sequence[str]]):
    """One address after the other for every name."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def __contains__(self, _: object) -> bool:
        return True

    def get(self, _: str, default: object = None) -> Sequence[str]:  # type: ignore[override]
        self.asked += 1
        return [(PUBLIC, INSIDE)[(self.asked - 1) % 2]]


@contextmanager
def listening(address: str, port: int) -> Iterator[list[str]]:
    """A web server with a photograph for every path; yields what it was asked for."""
    asked: list[str] = []
    picture = photograph()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(picture)))
            self.end_headers()
            self.wfile.write(picture)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer((address, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


def with_names_from(file: Path, command: Sequence[str | Path]) -> list[str | Path]:
    """The command with a file of name servers of its own."""
    script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, file, *command]


@pytest.fixture
def names(tmp_path: Path) -> Path:
    """A file that names our name server, if processes may have one of their own here."""
    file = tmp_path / "resolv.conf"
    file.write_text(f"nameserver {NAMES}\n")
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("names can be answered by root only, who can have port 53")
    if subprocess.run(with_names_from(file, ["true"]), check=False, capture_output=True).returncode:
        pytest.skip("no process may have mounts of its own here")
    return file


def test_a_name_that_changes_its_address_leads_nowhere_else(
    image_settings: Mapping[str, str], tmp_path: Path, names: Path
) -> None:
    turning, port = Turning(), free_port()
    settings = {**image_settings, "RITM_ALLOWED_HOSTS": f"{PUBLIC}/32"}

    def start(
        command: Sequence[str | Path], env: Mapping[str, str], folder: Path, sink: IO[bytes]
    ) -> Process:
        return start_command(with_names_from(names, command), env, folder, sink)

    with ExitStack() as stack:
        stack.enter_context(name_server(turning, (NAMES, 53)))
        public, inside = (stack.enter_context(listening(address, port)) for address in (PUBLIC, INSIDE))
        server = stack.enter_context(ritm_serve(tmp_path, settings, start=start))
        answers = [click(server.url, task, 1, f"http://{HOST}:{port}/{task}.jpg") for task in range(8)]
        assert turning.asked >= len(answers)
    well = [one for one in answers if one.is_well]
    refused = [one for one in answers if "is private or reserved" in one.message]
    assert len(well) + len(refused) == len(answers)
    assert well
    assert refused
    assert public == [f"/{one.task}.jpg" for one in well]
    assert not inside
