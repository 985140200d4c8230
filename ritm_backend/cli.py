"""`ritm serve`, `ritm demo` and `ritm connect`."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ritm_backend.connect.cli import connect
from ritm_model.cpus import limit_threads

if TYPE_CHECKING:
    from ritm_backend.settings import Settings

__all__ = ["connect", "demo", "serve"]

_EVERY_INTERFACE = ("0.0.0.0", "::")  # noqa: S104  (only compared)
_OPEN_TO_ALL = (
    "Warning: anybody who reaches this port can have masks made of every image that the token's user may see."
)


@click.command()
@click.option("--host", help="Address to listen on; 0.0.0.0 for every interface.  [RITM_HOST, 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one.  [RITM_PORT, 9090]")
@click.option("--model", help="Name of a pulled model, or path of a checkpoint.  [RITM_MODEL, bundled]")
@click.option("--pipelines", help="YAML file of pipelines that projects may choose.  [RITM_PIPELINES]")
@click.option("--device", help="auto, cpu, cuda, cuda:N or mps.  [RITM_DEVICE, auto]")
@click.option("--engine", help="auto, torch, compile or openvino.  [RITM_ENGINE, auto]")
@click.option("--threads", type=int, help="Predictions taken at the same time per process.  [RITM_THREADS]")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes. Each has its own model and sessions: clicks that reach another one are replayed there.",
)
def serve(workers: int, **options: str | int | None) -> None:
    """Serve clicks to Label Studio.

    Everything else is set in the environment, as the table in the documentation says.
    """
    from ritm_backend import server
    from ritm_backend.auth import generated_credentials
    from ritm_backend.settings import Settings

    # The environment is the one source of settings; workers inherit it.
    os.environ.update(
        {f"RITM_{name.upper()}": str(value) for name, value in options.items() if value is not None}
    )
    settings = Settings.from_environment()
    if generated := generated_credentials(settings):
        os.environ.update(generated)
        settings = Settings.from_environment()
        click.echo(
            f"This server is reached from elsewhere and had no password. For this run: user "
            f"{generated['BASIC_AUTH_USER']}, password {generated['BASIC_AUTH_PASS']}. "
            "Set BASIC_AUTH_USER and BASIC_AUTH_PASS to keep them."
        )
    limit_threads(workers)
    _check_model(settings)
    listener = server.listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    name = "localhost" if settings.host in _EVERY_INTERFACE else settings.host
    url = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
    click.echo(
        f"RITM serves the model {settings.model!r} at {url} (Ctrl+C stops it). To use it in Label Studio: "
        f"ritm connect --backend {url} --url LABEL_STUDIO --project ID, "
        "with the token in the variable LABEL_STUDIO_API_KEY"
    )
    if settings.host in _EVERY_INTERFACE and settings.auth == "off" and settings.basic_auth_user is None:
        click.echo(_OPEN_TO_ALL, err=True)
    server.run(settings, listener, workers)


@click.command()
@click.argument("image", type=click.Path(path_type=Path), required=False)
@click.option("--checkpoint", help="Name of a pulled model, or path of a checkpoint.  [RITM_MODEL, bundled]")
@click.option("--cpu", is_flag=True, help="Do not use a GPU.")
@click.option("--port", type=int, default=0, show_default="a free one", help="Port of the page.")
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.  [yes]")
def demo(image: Path | None, checkpoint: str | None, cpu: bool, port: int, browser: bool) -> None:
    """Try clicks in a browser, on IMAGE or on sample pictures.

    The page is the one that `ritm serve` shows at its address, here for this machine only.
    """
    from ritm_backend import server
    from ritm_backend.settings import Settings

    chosen = {"RITM_MODEL": checkpoint, "RITM_DEVICE": "cpu" if cpu else None, "RITM_HOST": "127.0.0.1"}
    if image is not None:
        if not image.is_file():
            raise server.ServeError(f"There is no picture {image}.")
        chosen["RITM_DEMO_IMAGE"] = str(image.resolve())
    os.environ.update({name: value for name, value in chosen.items() if value is not None})
    os.environ.setdefault("RITM_LOG_LEVEL", "WARNING")
    settings = Settings.from_environment()
    limit_threads()
    _check_model(settings)
    listener = server.listen(settings.host, port)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    click.echo(f"The demo is at {url} (Ctrl+C stops it).")
    if browser:
        webbrowser.open(url)  # the port is open already: the page waits until it is served
    server.run(settings, listener, workers=1)


def _check_model(settings: Settings) -> None:
    """Say at once what can never work. Loads torch, which reads the limits of threads."""
    from ritm_backend.server import pipeline_hosts
    from ritm_model.checkpoints import resolve_model
    from ritm_ops.object_store import open_store

    if settings.live_model is None:
        resolve_model(settings.model)
    elif settings.registry is not None:
        open_store(settings.registry)
    pipeline_hosts(settings)
