"""A function that breaks the handler contract in the way that `ODD` says. Runs in the wrapper, as main.py."""

import os
from pathlib import Path


def init_context(context):
    if os.environ["ODD"] == "start":
        raise RuntimeError("no weights")


def handler(context, event):
    odd = os.environ["ODD"]
    if odd == "list":
        return ["not", "a", "batch"]
    if odd == "exception":
        raise ValueError("a secret")
    if odd == "escape":
        return context.Response(body="one\r\n\x1b[2J two", content_type="text/plain", status_code=500)
    if odd == "echo":
        return {"type": type(event.body).__name__}
    body = (Path(os.environ["PAYLOADS"]) / f"{odd}.json").read_text()
    return context.Response(headers={}, body=body, content_type="application/json", status_code=200)
