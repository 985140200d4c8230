"""`ritm serve` and `ritm connect`."""

from __future__ import annotations

import os

import click

from ritm_backend.connect_cli import connect

__all__ = ["connect", "serve"]


@click.command()
@click.option("--host", help="Address to listen on; 0.0.0.0 for every interface.  [RITM_HOST, 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one.  [RITM_PORT, 9090]")
@click.option("--model", help="Name of a pulled model, or path of a checkpoint.  [RITM_MODEL, bundled]")
@click.option("--device", help="auto, cpu, cuda, cuda:N or mps.  [RITM_DEVICE, auto]")
@click.option("--threads", type=int, help="Predictions taken at the same time per process.  [RITM_THREADS]")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes, each with its own model.",
)
def serve(workers: int, **options: str | int | None) -> None:
    """Serve clicks to Label Studio.

    Everything else is set in the environment, as the table in the documentation says.
    """
    from ritm_backend import server
    from ritm_backend.settings import Settings

    # The environment is the one source of settings; workers inherit it.
    os.environ.update(
        {f"RITM_{name.upper()}": str(value) for name, value in options.items() if value is not None}
    )
    settings = Settings.from_environment()
    listener = server.listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    name = "localhost" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104  (only compared)
    url = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
    click.echo(
        f"RITM serves the model {settings.model!r} at {url} (Ctrl+C stops it). To use it in Label Studio: "
        f"ritm connect --backend {url} --url LABEL_STUDIO --token TOKEN --project ID"
    )
    server.run(settings, listener, workers)
