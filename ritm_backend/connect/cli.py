"""`ritm connect`: from options to a checklist on the screen."""

from __future__ import annotations

import sys

import click

from ritm_model.cli.output import echo_json
from ritm_ops.cli.secret_files import in_file


@click.command()
@click.option(
    "--url", envvar="LABEL_STUDIO_URL", show_envvar=True, required=True, help="Address of Label Studio."
)
@click.option(
    "--token",
    envvar="LABEL_STUDIO_API_KEY",
    default=in_file("LABEL_STUDIO_API_KEY"),
    show_envvar=True,
    required=True,
    help="Personal access token (or legacy token) of a user who may change the project.",
)
@click.option("--project", default="", help="Number or title of the project to connect.")
@click.option("--create-project", metavar="TITLE", default="", help="Make a project instead.")
@click.option("--label", "labels", multiple=True, help="A label of the new project; once per label.")
@click.option(
    "--style",
    type=click.Choice(["continuous", "labelled"]),
    help="New project: click on and on and label the region (default for one label), or choose the label "
    "before each click (default for several).",
)
@click.option(
    "--kind",
    type=click.Choice(["brush", "bitmask", "polygon", "box", "ellipse"]),
    help="Kind of region of the new project (default: brush), or the one that an existing project prefers.",
)
@click.option(
    "--refine",
    type=click.Choice(["own", "everyone"]),
    help="Whose regions a first click refines: only drafts and predictions, or also submitted annotations, "
    "whoever made them; right where each task has one annotator.",
)
@click.option(
    "--backend",
    default="http://127.0.0.1:9090",
    show_default=True,
    help="Address of `ritm serve` as Label Studio's server reaches it.",
)
@click.option(
    "--basic-auth-user",
    envvar="BASIC_AUTH_USER",
    show_envvar=True,
    default="",
    help="The backend's user name, if any.",
)
@click.option(
    "--basic-auth-pass",
    envvar="BASIC_AUTH_PASS",
    show_envvar=True,
    default=in_file("BASIC_AUTH_PASS"),
    help="The backend's password, if any.",
)
@click.option("--trial/--no-trial", default=True, help="Try one click on the first task; nothing is stored.")
@click.option("--json", "as_json", is_flag=True, help="Print the checklist as JSON.")
def connect(
    url: str,
    token: str,
    project: str,
    create_project: str,
    labels: tuple[str, ...],
    style: str | None,
    kind: str | None,
    refine: str | None,
    backend: str,
    basic_auth_user: str,
    basic_auth_pass: str | None,
    trial: bool,
    as_json: bool,
) -> None:
    """Connect a Label Studio project with this backend, and list what is still to do."""
    if bool(project) == bool(create_project):
        raise click.UsageError("Give either --project or --create-project.")
    if bool(create_project) != bool(labels):
        raise click.UsageError("--create-project and --label belong together.")
    if bool(basic_auth_user) != bool(basic_auth_pass):
        raise click.UsageError("--basic-auth-user and --basic-auth-pass belong together.")

    from dataclasses import asdict
    from typing import Literal, cast

    from ritm_backend.connect.projects import Kind, Style, Wish
    from ritm_backend.connect.projects import connect as connect_project
    from ritm_ops.label_studio.client import LabelStudioClient
    from ritm_ops.pictures import PictureFetcher
    from ritm_ops.pictures.settings import PictureSettings

    wish = Wish(
        project=project,
        create=create_project,
        labels=labels,
        style=cast("Style | None", style),
        kind=cast("Kind | None", kind),
        refine=cast('Literal["own", "everyone"] | None', refine),
        backend=backend.rstrip("/"),
        basic_auth_user=basic_auth_user,
        basic_auth_pass=basic_auth_pass or "",
        trial=trial,
    )
    with LabelStudioClient(url, token) as client:
        settings = PictureSettings.from_environment(label_studio_url=client.url, label_studio_api_key=token)
        report = connect_project(client, wish, PictureFetcher(settings.picture_access))
    if as_json:
        echo_json({**asdict(report), "is_ready": report.is_ready})
    else:
        marks = {"ok": "✓", "advice": "!", "problem": "✗"}
        click.echo(f"Project {report.project_id} {report.project_title!r}: {report.project_url}")
        for finding in report.findings:
            click.echo(f" {marks[finding.level]} {finding.what}")
            for line in finding.fix.splitlines():
                click.echo(f"     {line}")
        if report.is_ready:
            click.echo("Ready: open a task, switch Auto-Annotation on, pick the keypoint tool and click.")
    if not report.is_ready:
        sys.exit(1)
