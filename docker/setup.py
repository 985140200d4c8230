"""Make the stack of docker-compose.yml one system; run by its service `setup`, as often as you like.

What is there already is kept: the bucket, the project of that title, its storages. Settings come from the
environment, as docker-compose.yml names them.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ritm_backend.connect.projects import Wish, connect
from ritm_model.errors import RitmError
from ritm_ops.label_studio.client import LabelStudioClient, LabelStudioError

PATIENCE_S = 300
PAUSE_S = 2
PHOTOGRAPHS, LABELS = "images", "labels"  # folders of the bucket
PICTURES = r"(?i).*\.(jpe?g|png|webp|tiff?|bmp)$"

_log = logging.getLogger("setup")


class SetupError(RitmError):
    """A part of the stack does not come up."""


def main() -> None:
    bucket = os.environ["BUCKET"]
    wait_for("the object store", lambda: make_bucket(bucket))
    label_studio = os.environ["LABEL_STUDIO_URL"]
    backend = os.environ["BACKEND_URL"]
    wait_for("Label Studio", lambda: ask(f"{label_studio}/health"))
    wait_for("the backend", lambda: ask(f"{backend}/health"))
    with LabelStudioClient(label_studio, os.environ["LABEL_STUDIO_API_KEY"]) as client:
        # Its user is made after its first page is served.
        wait_for("the user of Label Studio", lambda: client.call("GET", "/api/current-user/whoami"))
        wish = Wish(
            create=os.environ["PROJECT"],
            labels=tuple(label.strip() for label in os.environ["LABELS"].split(",") if label.strip()),
            backend=backend,
            basic_auth_user=os.environ["BASIC_AUTH_USER"],
            basic_auth_pass=os.environ["BASIC_AUTH_PASS"],
        )
        report = connect(client, wish)
        for finding in report.findings:
            _log.info("%s: %s %s", finding.level, finding.what, finding.fix)
        if not report.is_ready:
            raise SetupError("The project is not ready; see above.")
        sign_events(client, report.project_id, f"{backend}/webhook")
        keep_storage(client, report.project_id, "/api/storages/s3", "Photographs", bucket, PHOTOGRAPHS)
        keep_storage(client, report.project_id, "/api/storages/export/s3", "Labels", bucket, LABELS)
    _log.info("Ready: put photographs into s3://%s/%s, or upload them in the project.", bucket, PHOTOGRAPHS)


def wait_for(what: str, attempt: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            attempt()
            return
        except (OSError, BotoCoreError, ClientError, LabelStudioError) as error:  # noqa: PERF203  (it waits)
            if time.monotonic() > deadline:
                raise SetupError(f"{what} does not answer: {error}") from None
            time.sleep(PAUSE_S)


def ask(url: str) -> None:
    with urllib.request.urlopen(url, timeout=5):  # noqa: S310  (addresses of the stack)
        pass


def make_bucket(bucket: str) -> None:
    s3 = boto3.client("s3")
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        s3.create_bucket(Bucket=bucket)
    # Label Studio connects a folder only if there is something in it; its filter lets photographs in only.
    s3.put_object(Bucket=bucket, Key=f"{PHOTOGRAPHS}/README", Body=b"Photographs to annotate go here.\n")


def sign_events(client: LabelStudioClient, project: int, url: str) -> None:
    """Give the webhook, which came with the backend, the secret that makes its events count."""
    hooks: Any = client.call("GET", "/api/webhooks/", params={"project": project})
    headers = {"X-RITM-Secret": os.environ["RITM_WEBHOOK_SECRET"]}
    for hook in hooks:
        if hook["url"] == url and hook["headers"] != headers:
            client.call("PATCH", f"/api/webhooks/{hook['id']}/", body={"headers": headers})


def keep_storage(
    client: LabelStudioClient, project: int, path: str, title: str, bucket: str, prefix: str
) -> None:
    """Let the project read photographs from the bucket, or write labels to it."""
    there: Any = client.call("GET", path, params={"project": project})
    if any(storage["bucket"] == bucket and storage["prefix"] == prefix for storage in there):
        return
    body: dict[str, Any] = {
        "project": project,
        "title": title,
        "bucket": bucket,
        "prefix": prefix,
        "s3_endpoint": os.environ["AWS_ENDPOINT_URL"],
        "region_name": os.environ["AWS_DEFAULT_REGION"],
        "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        # The browser cannot reach the store, so Label Studio passes photographs on.
        **({} if prefix == LABELS else {"use_blob_urls": True, "presign": False, "regex_filter": PICTURES}),
    }
    client.call("POST", path, body=body)
    _log.info("ok: s3://%s/%s is connected.", bucket, prefix)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        main()
    except RitmError as error:
        sys.exit(str(error))
