"""`ritm cvat`: what an administrator asks of the function."""

from __future__ import annotations

import click


@click.group()
def cvat() -> None:
    """Look after RITM in CVAT."""


@cvat.command()
@click.option(
    "--dashboard", "url", default="http://localhost:8070", show_default=True, help="Nuclio's dashboard."
)
@click.option("--function", "name", help="Name of the function; the only interactor if left out.")
@click.option("--namespace", default="nuclio", show_default=True, help="Nuclio namespace of the function.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def check(url: str, name: str | None, namespace: str, as_json: bool) -> None:
    """Click on a test picture with a deployed interactor, and judge its answers as CVAT's browser would.

    Ends with status 1 if annotators would meet an error or a wrong mask.
    """
    import json
    from dataclasses import asdict

    from cvat_serverless.check import check_function
    from cvat_serverless.dashboard import Dashboard

    dashboard = Dashboard(url, namespace=namespace)
    function = dashboard.interactor(name)
    if not as_json:
        click.echo(f"Function {function['metadata']['name']}")
    n_wrong = 0
    for finding in check_function(dashboard, function):
        n_wrong += not finding.ok
        if as_json:
            click.echo(json.dumps(asdict(finding)))
            continue
        cost = ""
        if finding.milliseconds is not None:
            cost = f" ({finding.milliseconds:.0f} ms, {finding.answer_bytes:,} bytes)"
        mark = "ok   " if finding.ok else "WRONG"
        click.echo(f"  {mark} {finding.name}: {_one_line(finding.detail)}{cost}")
    if n_wrong:
        click.echo(f"{n_wrong} of these would reach annotators.", err=True)
        raise SystemExit(1)


def _one_line(text: str) -> str:
    """Functions answer anything, and a terminal obeys control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
