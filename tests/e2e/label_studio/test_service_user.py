"""`ritm connect --service-user` makes a user of a real Label Studio whose token is revoked alone."""

from __future__ import annotations

import pytest
import requests
from backend import ritm_connect
from label_studio_server import LEGACY_TOKEN, LabelStudio

from ritm_ops.label_studio.client import LabelStudioClient, LabelStudioError


def test_a_service_user_has_a_token_of_its_own(studio: LabelStudio) -> None:
    project = studio.call("POST", "/api/projects", json={"title": "Of the service user"})
    email = f"service-{project['id']}@example.com"  # the server is that of other tests, too
    done = ritm_connect(studio.url, LEGACY_TOKEN, "--service-user", email)
    assert done.returncode == 0, done.stderr
    (token,) = done.stdout.splitlines()
    with LabelStudioClient(studio.url, token) as client:
        me = client.call("GET", "/api/current-user/whoami")
        assert isinstance(me, dict)
        assert me["email"] == email
        seen = client.call("GET", f"/api/projects/{project['id']}")
        assert isinstance(seen, dict)
        assert seen["title"] == "Of the service user"

    again = ritm_connect(studio.url, LEGACY_TOKEN, "--service-user", email)
    assert (again.returncode, again.stdout) == (1, "")
    assert f"Error: Label Studio has a user {email} already" in again.stderr

    # Revoked by whoever has it, and nobody else's with it.
    revoked = requests.post(f"{studio.url}/api/token/blacklist/", data={"refresh": token}, timeout=60)
    assert revoked.status_code == 204
    with LabelStudioClient(studio.url, token) as client, pytest.raises(LabelStudioError) as refusal:
        client.call("GET", "/api/projects")
    assert refusal.value.status == 401
    for other in (LEGACY_TOKEN, studio.personal_token):
        with LabelStudioClient(studio.url, other) as client:
            assert client.call("GET", "/api/current-user/whoami")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--service-user", "nobody"), "Error: 'nobody' is no e-mail address"),
        (("--service-user", "a@example.com", "--project", "1"), "goes without a project"),
    ],
)
def test_what_cannot_be_a_service_user(
    arguments: tuple[str, ...], sentence: str, studio: LabelStudio
) -> None:
    done = ritm_connect(studio.url, LEGACY_TOKEN, *arguments)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert done.stdout == ""
