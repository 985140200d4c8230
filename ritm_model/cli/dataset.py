"""`ritm dataset`: bring data sets into the one layout that training and evaluation share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ritm_model.cli.contributed import ContributedCommands
from ritm_model.cli.options import as_json, config_option
from ritm_model.cli.output import echo_json, progress_bar
from ritm_model.cli.train import data_roots, overrides_option, places_option

if TYPE_CHECKING:
    from ritm_model.datasets.photograph import About, Collection

MOST_SHOWN = 20

folder = click.Path(path_type=Path, file_okay=False)
splits_option = functools.partial(click.option, "--split", "splits", multiple=True, show_default=True)


def converter(command: Callable[..., tuple[Collection, Mapping[str, object]]]) -> Callable[..., None]:
    """Give a command the options that all converters have; it returns what to convert, and what that was."""

    @click.argument("out", type=folder)
    @click.option(
        "--images",
        "placing",
        type=click.Choice(["copy", "link"]),
        default="copy",
        show_default=True,
        help="Copy photographs into the folder, or link to them: small, but both must stay in their places.",
    )
    @click.option("--jobs", type=click.IntRange(1), help="Processes; as many as cores.")
    @click.option("--fresh", is_flag=True, help="Discard what an earlier conversion has left in the folder.")
    @as_json
    @functools.wraps(command)
    def run(
        *, out: Path, placing: Any, jobs: int | None, fresh: bool, as_json: bool, **options: object
    ) -> None:
        from ritm_model.cpus import usable_cpus
        from ritm_model.datasets.writing import convert

        name = str(click.get_current_context().info_name)
        collection, told = command(**options)
        with progress_bar(name, hidden=as_json, unit="image") as on_progress:
            outcome = convert(
                collection,
                out,
                {"converter": name, **told},
                placing=placing,
                jobs=jobs or usable_cpus(),
                fresh=fresh,
                on_progress=on_progress,
            )
        broken = [problem for problem in outcome.problems if not problem.by_rule]
        by_rule = len(outcome.problems) - len(broken)
        if as_json:
            counts = {"photographs": outcome.photographs, **outcome.counts}
            answer = {"folder": str(out), **counts, "broken": len(broken), "left_out_by_rule": by_rule}
            echo_json(answer)
            return
        counted = ", ".join(f"{count} {kind}" for kind, count in outcome.counts.items())
        click.echo(f"{out}: {outcome.photographs} photographs ({counted})")
        click.echo(f"left out by rule: {by_rule}\nbroken: {len(broken)}")
        for problem in broken[:MOST_SHOWN]:
            click.echo(f"  {problem}")
        if len(broken) > MOST_SHOWN:
            click.echo(f"  … {len(broken) - MOST_SHOWN} more; all are in {out / 'conversion.json'}")

    return run


def about_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say what all photographs have in common."""
    for option in (
        click.option("--source", default="", help="Name of the collection; recipes can weigh collections."),
        click.option("--license", "license_name", default="", help="Licence of the photographs."),
        click.option("--license-class", default="", help="Kind of that licence; recipes can choose by it."),
    ):
        command = option(command)
    return command


@click.group(cls=ContributedCommands, contributed="ritm.dataset_commands")
def dataset() -> None:
    """Convert data sets to the layout that `ritm train` and `ritm evaluate` read (COCO, packed masks).

    \b
    ritm dataset from-masks photos/ cells/ --layout images_dir
    ritm evaluate bundled --datasets cells --root cells=COCO:cells/annotations.json
    """


@dataset.command("from-masks")
@click.argument("root", type=click.Path(path_type=Path))
@click.option(
    "--layout",
    default="labels",
    show_default=True,
    help="How masks lie in the folder. labels: they number the objects of an image; images_dir: each object "
    "has a black-and-white one; or a benchmark that `ritm datasets` lists, such as SBD_Train.",
)
@splits_option(help="Part of the data set: a list <split>.txt in the folder. Repeat it for more.")
@click.option(
    "--mask-pattern",
    default="",
    help="How masks are named, without extension: {stem} is the name of the photograph, {number} a number, "
    "* anything. Such as '{stem}_mask', or '{stem}/{number}' for a folder of masks for each photograph. "
    "Without it, names are those of the layout.",
)
@about_options
@converter
def from_masks(
    root: Path,
    layout: str,
    splits: tuple[str, ...],
    mask_pattern: str,
    source: str,
    license_name: str,
    license_class: str,
) -> tuple[Collection, Mapping[str, object]]:
    """Photographs in ROOT/images and masks in ROOT/masks or beside them, to the folder OUT.

    For LVIS, COCO_Panoptic and PascalVOC, ROOT may be the annotation file or the list itself.
    """
    from ritm_model.datasets.converters import from_masks

    about = _about(source, license_name, license_class)
    return from_masks(root, layout, splits, about, mask_pattern), {
        "from": _full(root),
        "layout": layout,
        "mask_pattern": mask_pattern,
        "splits": splits,
        "source": source,
        "license": [license_name, license_class],
    }


@dataset.command("from-coco")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--photographs",
    type=folder,
    help="Folder in which they are looked for, by path or name; that of the file, or `images` in it.",
)
@click.option("--split", default="", help="Name of the part of the data set that the file is.")
@about_options
@converter
def from_coco(
    file: Path, photographs: Path | None, split: str, source: str, license_name: str, license_class: str
) -> tuple[Collection, Mapping[str, object]]:
    """Any FILE in the format of COCO, to the folder OUT. Crowds become regions that do not count."""
    from dataclasses import replace

    from ritm_model.datasets.converters import from_coco

    about = replace(_about(source, license_name, license_class), split=split)
    return from_coco(file, about, images_from=[photographs] if photographs else []), {
        "from": _full(file),
        "photographs": photographs and _full(photographs),
        "split": split,
        "source": source,
        "license": [license_name, license_class],
    }


@dataset.command("from-pack")
@click.argument("pack", type=folder)
@converter
def from_pack(pack: Path) -> tuple[Collection, Mapping[str, object]]:
    """A PACK (a folder with manifest.json), to the folder OUT."""
    from ritm_model.datasets.converters import from_pack

    return from_pack(pack), {"from": _full(pack)}


@dataset.command("coco-lvis")
@click.argument("coco", type=folder)
@click.argument("lvis", type=folder)
@splits_option(default=["train", "val"], help="Repeat it for more.")
@converter
def coco_lvis(coco: Path, lvis: Path, splits: tuple[str, ...]) -> tuple[Collection, Mapping[str, object]]:
    """The paper's combination of COCO 2017 (panoptic) and LVIS, with parts and stuff, to the folder OUT."""
    from ritm_model.datasets.converters import coco_lvis

    return coco_lvis(coco, lvis, splits), {"from": [_full(coco), _full(lvis)], "splits": splits}


@dataset.command("ade20k")
@click.argument("root", type=folder)
@splits_option(default=["train", "val"], help="Repeat it for more.")
@click.option(
    "--stuff-names",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Text with the classes that are no objects, one a line, instead of the list that comes along.",
)
@converter
def ade20k(
    root: Path, splits: tuple[str, ...], stuff_names: Path | None
) -> tuple[Collection, Mapping[str, object]]:
    """ADE20K of 2016 (ROOT has index_ade20k.mat), with parts and stuff, to the folder OUT."""
    from ritm_model.datasets.converters import STUFF, ade20k, read_stuff

    stuff = read_stuff(stuff_names) if stuff_names else STUFF
    return ade20k(root, splits, stuff), {"from": _full(root), "splits": splits, "stuff": sorted(stuff)}


@dataset.command("openimages")
@click.argument("root", type=folder)
@splits_option(default=["train", "validation", "test"], help="Repeat it for more.")
@converter
def openimages(root: Path, splits: tuple[str, ...]) -> tuple[Collection, Mapping[str, object]]:
    """Masks of Open Images (ROOT/<split>/images, masks and a table of them), to the folder OUT."""
    from ritm_model.datasets.converters import open_images

    return open_images(root, splits), {"from": _full(root), "splits": splits}


@dataset.command("validation")
@click.argument("recipe")
@places_option
@config_option
@overrides_option
@converter
def validation(
    recipe: str, places: tuple[str, ...], config: Path | None, overrides: tuple[str, ...]
) -> tuple[Collection, Mapping[str, object]]:
    """The objects that RECIPE validates on and never learns from, to the folder OUT.

    With the same recipe and data, they are those of `ritm train`.
    """
    from ritm_model.learning.recipes import load_recipe
    from ritm_model.learning.validation_data import held_out

    asked = load_recipe(recipe, overrides)
    roots = data_roots(config, places)
    return held_out(asked, roots), {
        "from": roots,
        "data": asked.data.model_dump(mode="json"),
        "objects": asked.validation.objects,
    }


def _about(source: str, license_name: str, license_class: str) -> About:
    from ritm_model.datasets.photograph import About

    return About(source=source, license=license_name, license_class=license_class)


def _full(path: Path) -> str:
    return str(path.resolve())
