"""The page of the demo: what it may run, what it names, and who may have it."""

import base64
import re
from pathlib import Path
from posixpath import normpath

import pytest

from ritm_backend.demo.routes import WEB


class TestPage:
    def test_everything_needs_the_password(self, serve):
        client = serve(basic_auth_user="user", basic_auth_pass="pass")
        for path in (
            "/",
            "/web/main.js",
            "/web/samples/coins.jpg",
            "/demo/config",
            "/demo/images/" + "0" * 64,
        ):
            assert client.get(path).status_code == 401
        for path in ("/demo/images", "/demo/masks", "/demo/files", "/demo/click"):
            assert client.post(path).status_code == 401
        credentials = base64.b64encode(b"user:pass").decode()
        assert client.get("/", headers={"Authorization": f"Basic {credentials}"}).status_code == 200

    def test_it_may_run_nothing_but_its_own_modules(self, client):
        page = client.get("/")
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|javascript:", page.text)

    @pytest.mark.parametrize(
        "path",
        sorted(path for path in WEB.rglob("*.*") if path.suffix in {".js", ".css", ".html", ".svg"}),
        ids=lambda path: path.name,
    )
    def test_nothing_comes_from_other_hosts(self, path):
        addresses = set(re.findall(r"(?:https?:)?//[a-z][\w.-]*\.[a-z]+", path.read_text()))
        assert addresses <= {"http://www.w3.org"}

    def test_every_file_that_is_named_is_served(self, client):
        names = set(re.findall(r'"(/web/[^"]+)"', client.get("/").text))
        for path in WEB.rglob("*.js"):
            module = f"/web/{path.relative_to(WEB).as_posix()}"
            for imported in re.findall(r'from "(\.[^"]+)"', client.get(module).text):
                names.add(normpath(f"{module}/../{imported}"))
        for sample in client.get("/demo/config").json["samples"]:
            assert sample["attribution"]
            assert sample["licence"]
            names |= {f"/web/samples/{sample['file']}", f"/web/samples/small/{sample['file']}"}
        assert len(names) > 30
        for name in names:
            assert client.get(name).status_code == 200, name
        assert client.get("/web/main.js").mimetype in ("text/javascript", "application/javascript")

    def test_it_is_sent_again_only_if_it_changed(self, client):
        first = client.get("/web/main.js")
        again = client.get("/web/main.js", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")

    @pytest.mark.parametrize("name", ["../app.py", "%2e%2e/app.py", "..%2fapp.py", "samples", "nothing.js"])
    def test_no_other_file_is_served(self, client, name):
        assert client.get(f"/web/{name}").status_code == 404

    def test_a_checkpoint_is_known_by_its_name_only(self, serve):
        config = serve(model=str(Path("secret") / "place" / "mine.safetensors")).get("/demo/config")
        assert config.json["models"][0] == "mine"
        assert "secret" not in config.text
