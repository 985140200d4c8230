"""The nginx of docker-compose.tls.yml: a real one with the stack's configuration on ports that are free."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import requests
from processes import ROOT, Server, require, running, wait_until

NAME = "labels.example.com"
HTTP = 8080
"""Where the stack's nginx leads everybody to TLS."""
REPLICA = "X-Replica"
"""The header that tells which servers were asked, the one that answered last."""


def certificates(folder: Path) -> Path:
    """Make the two files that the stack asks for; returns the authority's certificate."""
    require(shutil.which("openssl") is not None, "no openssl on this machine")
    folder.mkdir()
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    names = f"subjectAltName=DNS:{NAME},IP:127.0.0.1"
    for command in (
        f"req -x509 {key} -days 2 -subj /CN=Authority -addext keyUsage=critical,keyCertSign "
        "-keyout authority.key -out authority.pem",
        f"req {key} -subj /CN={NAME} -addext {names} -keyout privkey.pem -out request.pem",
        "x509 -req -in request.pem -CA authority.pem -CAkey authority.key -days 2 -copy_extensions copy "
        "-out fullchain.pem",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder / "authority.pem"


@contextlib.contextmanager
def stack_nginx(
    folder: Path, pages: Mapping[int, int], servers: Mapping[str, str], name_server_port: int = 53
) -> Iterator[Server]:
    """Run it until the block ends, with `folder/certificates`.

    Args:
        folder: for all that it reads and writes.
        pages: ports by what it listens on in the stack; `HTTP` must be one.
        servers: `host:port` by what stands in the configuration.
        name_server_port: on this machine, for hosts that are names.
    """
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    require(program is not None, "no nginx on this machine")
    text = (ROOT / "docker/nginx.conf").read_text()
    replaced = {f"listen {port}": f"listen 127.0.0.1:{other}" for port, other in pages.items()}
    replaced |= {**servers, "127.0.0.11": f"127.0.0.1:{name_server_port}"}
    replaced["add_header Strict"] = f"add_header {REPLICA} $upstream_addr always; add_header Strict"
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "tmp").mkdir()
    (folder / "nginx.conf").write_text(re.sub(r" (/certificates|/tmp)/", rf" {folder}\1/", text))
    command = [program, "-c", folder / "nginx.conf", "-g", "daemon off; master_process off;"]
    with running(command, {"PATH": os.environ["PATH"]}, folder / "nginx.log") as server:
        probe = f"http://127.0.0.1:{pages[HTTP]}/"
        wait_until(lambda: _answers(probe), "nginx", within_s=30, server=server)
        yield server


def _answers(url: str) -> bool:
    try:
        return requests.get(url, allow_redirects=False, timeout=5).status_code == 308
    except requests.ConnectionError:
        return False
