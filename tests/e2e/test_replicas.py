"""Two server processes behind nginx that take turns with the clicks of one object give one server's masks."""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests
from backend import ritm_serve
from processes import Server, free_port, require, serving
from redis_server import redis_server

PHOTO = Path(__file__).parents[1] / "samples/images/coins.jpg"
CONFIG = """<View><Image name="image" value="$image"/>
<KeyPointLabels name="click" toName="image" smart="true"><Label value="Coin"/></KeyPointLabels>
<BrushLabels name="brush" toName="image"><Label value="Coin"/></BrushLabels></View>"""
CLICKS = [(25.0, 25.0, True), (30.0, 30.0, True), (60.0, 60.0, False), (26.0, 22.0, True)]

NGINX = """daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;
events {{}}
http {{
    access_log off; client_max_body_size 200m;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream replicas {{ {servers} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://replicas; proxy_set_header X-Request-ID $request_id;
            proxy_set_header Host $http_host;
            add_header X-Replica $upstream_addr;
        }}
    }}
}}"""


def request_for(count: int) -> dict[str, Any]:
    """What Label Studio sends after so many clicks."""
    image = "data:image/jpeg;base64," + base64.b64encode(PHOTO.read_bytes()).decode()
    result = [
        {
            "id": f"click{number}",
            "type": "keypointlabels",
            "from_name": "click",
            "to_name": "image",
            "original_width": 384,
            "original_height": 303,
            "is_positive": positive,
            "value": {"x": x, "y": y, "width": 0.5, "keypointlabels": ["Coin"]},
        }
        for number, (x, y, positive) in enumerate(CLICKS[:count])
    ]
    task = {"id": 1, "data": {"image": image}}
    return {"tasks": [task], "label_config": CONFIG, "params": {"context": {"result": result}}}


@pytest.fixture
def nginx() -> Iterator[Any]:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    require(program is not None, "no nginx on this machine")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nginx")))

        def before(replicas: list[Server]) -> Server:
            port = free_port()
            servers = " ".join(f"server {replica.url.removeprefix('http://')};" for replica in replicas)
            (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, servers=servers))
            return stack.enter_context(
                serving(
                    [program, "-c", folder / "nginx.conf"],
                    {"PATH": os.environ["PATH"]},
                    folder / "nginx.log",
                    url=f"http://127.0.0.1:{port}",
                    health="/health",
                    within_s=30,
                )
            )

        yield before


def test_replicas_that_take_turns_answer_as_one(nginx: Any, tmp_path: Path) -> None:
    with ExitStack() as stack:
        short = stack.enter_context(tempfile.TemporaryDirectory(prefix="redis"))
        redis = stack.enter_context(redis_server(Path(short)))
        replicas = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            serve = ritm_serve(tmp_path / name, {"SESSION_STORE": redis.url})
            replicas.append(stack.enter_context(serve))
        proxy = nginx(replicas)

        met, masks = [], []
        for count in range(1, len(CLICKS) + 1):
            answer = requests.post(f"{proxy.url}/predict", json=request_for(count), timeout=60)
            assert answer.status_code == 200, answer.text
            (prediction,) = answer.json()["results"]
            (region,) = prediction["result"]
            met.append(answer.headers["X-Replica"])
            masks.append(region["value"]["rle"])
        assert len(set(met)) == 2
        assert all(before != after for before, after in pairwise(met))

        # A third process that has seen nothing, without Redis: the truth.
        (tmp_path / "alone").mkdir()
        alone = stack.enter_context(ritm_serve(tmp_path / "alone", {}))
        for count, mask in enumerate(masks, start=1):
            answer = requests.post(f"{alone.url}/predict", json=request_for(count), timeout=60)
            assert answer.json()["results"][0]["result"][0]["value"]["rle"] == mask
        # Nobody has replayed: each click was run once, by whoever met it, as in one process.
        text = requests.get(f"{alone.url}/metrics", timeout=10).text
        assert 'ritm_stage_seconds_count{stage="network"} 4.0' in text
        runs = [
            requests.get(f"{replica.url}/metrics", timeout=10).text.count('{stage="network"} 2.0')
            for replica in replicas
        ]
        assert runs == [1, 1]
