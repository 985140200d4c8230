"""`ritm dataset from-label-studio|from-cvat` and `ritm export coco`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ritm_model.cli.options import as_json
from ritm_model.cli.output import echo_json, progress_bar
from ritm_ops.cli.secret_files import in_file

if TYPE_CHECKING:
    from ritm_ops.pictures import PictureAccess
    from training.exports import Collected

folder = click.Path(path_type=Path, file_okay=False)


def access_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say where images may come from that the export does not hold."""
    for option in (
        click.option(
            "--allow-bucket",
            "buckets",
            multiple=True,
            help="What of S3 images may be read from, as s3://bucket/prefix; repeat it for more.  "
            "[RITM_ALLOWED_BUCKETS, or all that the credentials open]",
        ),
        click.option(
            "--allow-host",
            "hosts",
            multiple=True,
            help="Host or network that images may come from although its address is private; repeat it for "
            "more.  [RITM_ALLOWED_HOSTS]",
        ),
        click.option(
            "--images-from",
            "roots",
            multiple=True,
            type=click.Path(path_type=Path, file_okay=False, exists=True),
            help="Folder in which images are looked for first, by path or name; repeat it for more.  "
            "[RITM_IMAGES_FROM]",
        ),
        click.option(
            "--token",
            envvar=["LABEL_STUDIO_API_KEY", "LABEL_STUDIO_ACCESS_TOKEN"],
            default=in_file("LABEL_STUDIO_API_KEY", "LABEL_STUDIO_ACCESS_TOKEN"),
            show_envvar=True,
            help="Label Studio's token; better in the environment than on the command line.",
        ),
        click.option(
            "--label-studio",
            "url",
            envvar="LABEL_STUDIO_URL",
            show_envvar=True,
            help="Address of Label Studio, for images that lie there.",
        ),
    ):
        command = option(command)
    return command


def content_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say what is taken of Label Studio's exports, and what is remembered."""
    for option in (
        click.option(
            "--cache",
            type=folder,
            help="Folder that remembers what was read: the next time, only what has changed is read again.",
        ),
        click.option(
            "--predictions",
            is_flag=True,
            help="Take predictions of a model, of tasks that nobody has annotated.",
        ),
        click.option("--boxes", is_flag=True, help="Take rectangles as masks, too."),
        click.option(
            "--labeling-config",
            type=click.Path(path_type=Path, dir_okay=False, exists=True),
            help="XML file of the labeling configuration, which says what is drawn on which picture.",
        ),
        click.option(
            "--whose",
            default="newest",
            show_default=True,
            help="Whose annotation of a task counts: newest, ground_truth, reviewed, union, or users (ids, "
            "addresses or names, separated by commas).",
        ),
    ):
        command = option(command)
    return command


@click.command("from-label-studio")
@click.argument("source")
@click.argument("out", type=folder)
@access_options
@content_options
@as_json
def from_label_studio(source: str, out: Path, as_json: bool, **options: Any) -> None:
    """Labels of Label Studio, to the folder OUT.

    SOURCE is target storage (s3://bucket/prefix, or a folder), or a file: JSON, JSON_MIN, or a task a line.
    """
    _tell(_collect("from-label-studio", source, out, as_json, options), as_json)


@click.command("from-cvat")
@click.argument("source")
@click.argument("out", type=folder)
@access_options
@content_options
@as_json
def from_cvat(source: str, out: Path, as_json: bool, **options: Any) -> None:
    """A CVAT export, to the folder OUT.

    SOURCE is a zip, or a folder or s3://bucket/prefix with zips: CVAT for images 1.1, COCO 1.0, Segmentation
    mask 1.1 or Datumaro 1.0.
    """
    _tell(_collect("from-cvat", source, out, as_json, options), as_json)


@click.group()
def export() -> None:
    """Write labels for other programs."""


@export.command("coco")
@click.argument("source")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@access_options
@content_options
@as_json
def coco(source: str, out: Path, as_json: bool, **options: Any) -> None:
    """One COCO file OUT with packed masks, of what SOURCE exports: holes and parts are kept.

    SOURCE is anything that `ritm dataset from-label-studio` or `from-cvat` reads.
    """
    from ritm_model.datasets.readers.coco_rle import ANNOTATIONS
    from ritm_model.files import new_file, writing
    from training.exports import ExportError

    with (
        writing(out, ExportError),
        tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".export-") as work,
    ):
        collected = _collect("export", source, Path(work) / "data", as_json, options)
        with (collected.folder / ANNOTATIONS).open("rb") as written, new_file(out) as file:
            shutil.copyfileobj(written, file)
    _tell(collected, as_json, out)


def _collect(name: str, source: str, out: Path, as_json: bool, options: dict[str, Any]) -> Collected:
    from ritm_model.mistaken import mistaken
    from training.exports import ExportError, Options, Whose, collect

    config: Path | None = options.pop("labeling_config")
    content = Options(
        Whose.parse(options.pop("whose")),
        config.read_text("utf-8-sig", "replace") if config else None,
        options.pop("boxes"),
        options.pop("predictions"),
        options.pop("cache"),
    )
    if config and (what := mistaken(config.read_bytes()[:512])):
        raise ExportError(f"{config} {what}.")
    with progress_bar(name, hidden=as_json, unit="image") as on_progress:
        return collect(source, out, images=_access(**options), options=content, progress=on_progress)


def _access(
    *,
    url: str | None,
    token: str | None,
    roots: tuple[Path, ...],
    hosts: tuple[str, ...],
    buckets: tuple[str, ...],
) -> PictureAccess:
    """The settings of the environment, but for what the options say."""
    from ritm_ops.pictures.settings import PictureSettings

    given = {
        "label_studio_url": url,
        "label_studio_api_key": token,
        "images_from": roots,
        "allowed_hosts": ",".join(hosts),
        "allowed_buckets": ",".join(buckets),
    }
    settings = PictureSettings.from_environment(**{name: value for name, value in given.items() if value})
    access = settings.picture_access
    # Whoever runs this has the credentials; a worker's are lent to whoever writes tasks.
    return access if access.allowed_buckets else replace(access, allowed_buckets=None)


def _tell(collected: Collected, as_json: bool, out: Path | None = None) -> None:
    place = out or collected.folder
    if as_json:
        answer = {
            "out": str(place),
            "photographs": collected.photographs,
            "objects": collected.objects,
            "left_out": collected.left_out,
            "unused": dict(collected.unused),
            "fingerprint": collected.fingerprint,
        }
        echo_json(answer)
        return
    click.echo(f"{place}: {collected.photographs} photographs ({collected.objects} objects)")
    where = "" if out else f" ({place / 'conversion.json'} says what and why)"
    click.echo(f"left out: {collected.left_out}{where}")
    for reason, count in sorted(collected.unused.items()):
        click.echo(f"not used: {count} {reason}")
