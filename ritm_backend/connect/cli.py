"""`ritm connect`: from options to a checklist on the screen."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ritm_model.cli.output import echo_json
from ritm_ops.cli.secret_files import in_file

if TYPE_CHECKING:
    from ritm_backend.connect.projects import Checklist


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
@click.option(
    "--pages",
    metavar="URL",
    envvar="LABEL_STUDIO_HOST",
    show_envvar=True,
    default="",
    help="Address under which people open Label Studio, to be printed, if it is not that of --url.",
)
@click.option("--project", default="", help="Number or title of the project to connect.")
@click.option("--create-project", metavar="TITLE", default="", help="Make a project instead.")
@click.option("--label", "labels", multiple=True, help="A label of the new project; once per label.")
@click.option("--labels", "label_list", metavar="A,B,C", help="The same in one word, with commas.")
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
    "--pipeline",
    default="",
    help="Pipeline whose live model answers the project, where the backend has several.",
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
@click.option(
    "--webhook-secret",
    envvar="RITM_WEBHOOK_SECRET",
    show_envvar=True,
    default=in_file("RITM_WEBHOOK_SECRET"),
    help="What the backend checks the events of Label Studio by.",
)
@click.option(
    "--s3-photographs",
    metavar="S3://BUCKET/FOLDER",
    help="Where the project's photographs come from. Label Studio gets AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY.",
)
@click.option(
    "--s3-annotations",
    metavar="S3://BUCKET/FOLDER",
    help="Where Label Studio writes annotations, for `ritm worker` to learn from.",
)
@click.option(
    "--s3-endpoint",
    envvar="AWS_ENDPOINT_URL",
    show_envvar=True,
    default="",
    help="Address at which Label Studio's server reaches an S3 that is not Amazon's, if this command reaches "
    "it at another one.",
)
@click.option("--make-bucket", is_flag=True, help="Make the buckets of both if they are not there.")
@click.option(
    "--wait",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Wait so long for Label Studio, its user and the backend to start.",
)
@click.option(
    "--service-user",
    metavar="EMAIL",
    default="",
    help="Make this user of Label Studio, for services, print a token of its own, and do nothing else.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be changed.")
@click.option("--trial/--no-trial", default=True, help="Try one click on the first task; nothing is stored.")
@click.option("--json", "as_json", is_flag=True, help="Print the checklist as JSON.")
def connect(
    url: str,
    token: str,
    pages: str,
    project: str,
    create_project: str,
    labels: tuple[str, ...],
    label_list: str | None,
    style: str | None,
    kind: str | None,
    refine: str | None,
    pipeline: str,
    backend: str,
    basic_auth_user: str,
    basic_auth_pass: str | None,
    webhook_secret: str | None,
    s3_photographs: str | None,
    s3_annotations: str | None,
    s3_endpoint: str,
    make_bucket: bool,
    wait: float,
    service_user: str,
    dry_run: bool,
    trial: bool,
    as_json: bool,
) -> None:
    """Connect a Label Studio project with this backend, and list what is still to do.

    Run it again as often as you like: what is right already stays as it is.
    """
    if service_user:
        if project or create_project or dry_run:
            raise click.UsageError("--service-user goes without a project and without --dry-run.")
        _make_service_user(url, token, pages, service_user)
        return
    if bool(project) == bool(create_project):
        raise click.UsageError("Give either --project or --create-project.")
    labels += tuple(label.strip() for label in (label_list or "").split(",") if label.strip())
    if bool(create_project) != bool(labels):
        raise click.UsageError("--create-project and --label belong together.")
    if bool(basic_auth_user) != bool(basic_auth_pass):
        raise click.UsageError("--basic-auth-user and --basic-auth-pass belong together.")
    if make_bucket and not (s3_photographs or s3_annotations):
        raise click.UsageError("--make-bucket needs --s3-photographs or --s3-annotations.")

    from typing import Literal, cast

    from pydantic import SecretStr

    from ritm_backend.connect.config import Style
    from ritm_backend.connect.projects import connect as connect_project
    from ritm_backend.connect.storages import Access, Storage
    from ritm_backend.connect.waiting import Patience, wait_for_label_studio
    from ritm_backend.connect.wish import Wish
    from ritm_backend.label_studio.options import Kind
    from ritm_ops.label_studio.client import LabelStudioClient
    from ritm_ops.pictures import PictureFetcher
    from ritm_ops.pictures.settings import PictureSettings

    access = Access.from_environment(s3_endpoint) if s3_photographs or s3_annotations else Access()
    photographs = [Storage.at(s3_photographs, "photographs", access)] if s3_photographs else []
    annotations = [Storage.at(s3_annotations, "annotations", access)] if s3_annotations else []
    wish = Wish(
        project=project,
        create=create_project,
        labels=labels,
        style=cast("Style | None", style),
        kind=cast("Kind | None", kind),
        refine=cast('Literal["own", "everyone"] | None', refine),
        pipeline=pipeline,
        backend=backend.rstrip("/"),
        pages=_address(pages),
        basic_auth_user=basic_auth_user,
        basic_auth_pass=SecretStr(basic_auth_pass or ""),
        webhook_secret=SecretStr(webhook_secret or ""),
        storages=(*photographs, *annotations),
        makes_buckets=make_bucket,
        trial=trial,
        dry_run=dry_run,
    )
    with LabelStudioClient(url, token) as client:
        settings = PictureSettings.from_environment(label_studio_url=client.url, label_studio_api_key=token)
        patience = Patience.of(wait)
        if wait:
            wait_for_label_studio(client, patience)
        report = connect_project(client, wish, PictureFetcher(settings.picture_access), patience)
    if as_json:
        echo_json({**asdict(report), "is_ready": report.is_ready})
    else:
        _show(report)
    if not report.is_ready:
        sys.exit(1)


def _address(pages: str) -> str:
    """As Label Studio takes its setting: what is no address counts as none."""
    return pages.rstrip("/") if pages.startswith(("http://", "https://")) else ""


def _make_service_user(url: str, token: str, pages: str, email: str) -> None:
    from ritm_backend.connect.service_user import make_service_user
    from ritm_ops.label_studio.client import LabelStudioClient

    with LabelStudioClient(url, token) as client:
        click.echo(make_service_user(client, email))
    click.echo(
        f"{email} is a user of {_address(pages) or url} now; above is its token, which is shown this once.",
        err=True,
    )


def _show(report: Checklist) -> None:
    marks = {"ok": "✓", "advice": "!", "problem": "✗"}
    number = "" if report.project_id is None else f" {report.project_id}"
    click.echo(f"Project{number} {report.project_title!r}: {report.project_url}")
    for finding in report.findings:
        click.echo(f" {marks[finding.level]} {finding.what}")
        for line in finding.fix.splitlines():
            click.echo(f"     {line}")
    if report.dry_run:
        click.echo("Nothing was changed; run it without --dry-run to do this.")
    elif report.is_ready:
        click.echo("Ready: open a task, switch Auto-Annotation on, pick the keypoint tool and click.")
