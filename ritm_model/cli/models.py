"""`ritm models`: which models there are, fetching them, converting them, looking into them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ritm_model.cli.contributed import ContributedCommands
from ritm_model.cli.export import export
from ritm_model.cli.options import as_json
from ritm_model.cli.output import echo_json, echo_table

if TYPE_CHECKING:
    from ritm_model.catalogue import Release
    from ritm_model.checkpoints import ModelCard

NOC_COLUMNS = ("GrabCut@90", "Berkeley@90", "SBD@90", "DAVIS@90")


@click.group(cls=ContributedCommands, contributed="ritm.models_commands")
def models() -> None:
    """List, fetch, convert and inspect models."""


models.add_command(export)


@models.command("list")
@as_json
def list_models(as_json: bool) -> None:
    """Show the released models, the bundled one and your own."""
    rows = _rows()
    if as_json:
        echo_json(rows)
        return
    header = ("NAME", "ARCHITECTURE", "SIZE", "TRAINED ON", "LICENCE", *NOC_COLUMNS, "HERE")
    table: list[tuple[str, ...]] = [header]
    for row in rows:
        noc = row["noc"]
        assert isinstance(noc, dict)
        table.append(
            (
                str(row["name"]),
                str(row["architecture"]),
                f"{row['megabytes']:g} MB",
                str(row["trained_on"]),
                str(row["licence"]),
                *(f"{noc[name]:.2f}" if name in noc else "-" for name in NOC_COLUMNS),
                str(row["here"]),
            )
        )
    echo_table(table)
    click.echo("\nNoC: published mean number of clicks to reach that IoU in percent; fewer is better.")


@models.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("destination", type=click.Path(path_type=Path))
@click.option("--architecture", metavar="NAME", help="For plain state dicts, such as hrnet18s-itm.")
@click.option("--half", is_flag=True, help="Store in half precision.")
@click.option("--licence", default="", help="Licence of the weights, for the card.")
@click.option("--trained-on", default="", help="What they were learnt from, for the card.")
@as_json
def convert(
    source: Path,
    destination: Path,
    architecture: str | None,
    half: bool,
    licence: str,
    trained_on: str,
    as_json: bool,
) -> None:
    """Turn the checkpoint SOURCE into DESTINATION, a .safetensors file with its card beside it."""
    from ritm_model.checkpoints import convert_model

    card = convert_model(
        source, destination, architecture=architecture, half=half, licence=licence, trained_on=trained_on
    )
    echo_saved(card, destination, "is ready", as_json)


@models.command()
@click.argument("name_or_path")
@as_json
def info(name_or_path: str, as_json: bool) -> None:
    """Show what a model is. Loads it, so that a damaged file is found out.

    For a released model that is not here, what is published of it.
    """
    from ritm_model.catalogue import catalogue, pulled_model_path
    from ritm_model.checkpoints import architecture_name, load_model, model_version, read_card, resolve_model

    release = catalogue().release(name_or_path)
    if release and not pulled_model_path(release.name).is_file():
        _echo_release(release, as_json)
        return
    path = resolve_model(name_or_path)
    card = read_card(path)
    parameters = sum(parameter.numel() for parameter in load_model(path).parameters())
    about = {
        "version": model_version(path),
        "path": str(path),
        "architecture": architecture_name(card.family, card.params),
        "parameters": parameters,
        **card.model_dump(mode="json", exclude={"format_version"}),
    }
    if as_json:
        echo_json(about)
        return
    training = card.training.model_dump(exclude_defaults=True)
    metrics = training.pop("metrics", {})
    lines = {
        "version": about["version"],
        "file": path,
        "architecture": about["architecture"] or f"{card.family}, not in the catalogue",
        "parameters": f"{parameters:,}",
        "sha256": card.sha256,
        **training,
        **metrics,
        **{f"  {name}": value for name, value in card.params.items()},
    }
    echo_table(lines.items())


def _rows() -> list[dict[str, object]]:
    from ritm_model.catalogue import catalogue, pulled_model_path
    from ritm_model.checkpoints import resolve_model
    from ritm_model.checkpoints.locate import known_names

    rows: list[dict[str, object]] = []
    for name in known_names():
        if release := catalogue().release(name):
            row = release.model_dump()
            row["here"] = "pulled" if pulled_model_path(name).is_file() else "no"
        else:
            row = _own_row(name, resolve_model(name))
        rows.append(row)
    return rows


def _own_row(name: str, path: Path) -> dict[str, object]:
    from ritm_model.checkpoints import (
        CheckpointError,
        architecture_name,
        bundled_model_path,
        read_card,
    )

    here = "bundled" if path == bundled_model_path() else "own"
    architecture, trained_on, licence = "?", "?", "?"
    try:
        card = read_card(path)
    except CheckpointError:
        here = "damaged"  # one bad file must not hide the others; `info` says what it is
    else:
        architecture = architecture_name(card.family, card.params) or card.family
        trained_on, licence = card.training.trained_on, card.training.licence
    return {
        "name": name,
        "architecture": architecture,
        "megabytes": round(path.stat().st_size / 1e6, 1),
        "trained_on": trained_on,
        "licence": licence,
        "noc": {},
        "here": here,
    }


def echo_saved(card: ModelCard, path: Path, outcome: str, as_json: bool) -> None:
    if as_json:
        echo_json({"path": str(path), **card.model_dump(mode="json")})
    else:
        click.echo(f"{card.name} {outcome}: {path} (SHA-256 {card.sha256[:8]}…)")


def _echo_release(release: Release, as_json: bool) -> None:
    if as_json:
        echo_json({**release.model_dump(), "here": "no"})
        return
    lines: dict[str, str] = {
        "name": release.name,
        "file": f"not on this machine; ritm models pull {release.name}",
        "architecture": release.architecture,
        "parameters": f"{release.parameters:,}",
        "size": f"{release.megabytes:g} MB",
        "source": release.url,
        "trained_on": release.trained_on,
        "licence": release.licence,
        "licence_note": release.licence_note,
        **{f"NoC {name}": f"{clicks:.2f}" for name, clicks in release.noc.items()},
    }
    echo_table(lines.items())
