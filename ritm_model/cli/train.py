"""`ritm train` and `ritm recipes`: learn a model by a recipe."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ritm_model.cli.datasets import as_json, config_option


@click.command()
@click.argument("recipe")
@click.option(
    "--data",
    "places",
    multiple=True,
    metavar="FOLDER",
    help="What to learn from: a pack, a folder of the COCO-RLE layout, or LAYOUT:FOLDER. For recipes that "
    "name data sets, NAME=FOLDER; repeat it for more.",
)
@config_option
@click.option(
    "--pretrained",
    metavar="FILE",
    help="ImageNet weights for the backbone of a new network: of HRNet's authors or of torchvision.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the run; one that was interrupted goes on.",
)
@click.option(
    "--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Change the recipe: batch_size=8"
)
def train(
    recipe: str,
    places: tuple[str, ...],
    config: Path | None,
    pretrained: str | None,
    out: Path,
    overrides: tuple[str, ...],
) -> None:
    """Train a model by RECIPE, a name that `ritm recipes` lists or a YAML file.

    Everything is written into the folder of the run. Started again with the same words, an interrupted run
    goes on from its last checkpoint and ends with the weights it would have had.
    """
    from ritm_model.learning.engine import train as run
    from ritm_model.learning.recipes import load_recipe
    from ritm_model.learning.starting import describe_start

    if pretrained:
        overrides = (*overrides, f"model.pretrained={json.dumps(pretrained)}")
    asked = load_recipe(recipe, overrides)
    data = _roots(config, places)
    click.echo(describe_start(asked), err=True)
    model = run(asked, data, out)
    click.echo(f"The model is {model}.")


def _roots(config: Path | None, places: tuple[str, ...]) -> dict[str, str]:
    """Where data sets lie, by name; a folder without a name is "own"."""
    from ritm_model.datasets import parse_roots, read_roots
    from ritm_model.learning.recipes.schema import OWN

    named = [place if "=" in place and not Path(place).exists() else f"{OWN}={place}" for place in places]
    return {**(read_roots(config) if config else {}), **parse_roots(named)}


@click.command()
@click.argument("name", required=False)
@as_json
def recipes(name: str | None, as_json: bool) -> None:
    """List the recipes, or explain every value of the one called NAME.

    What explains a recipe is a recipe again: save it as a .yaml file, change it, and train by that.
    """
    from ritm_model.learning.recipes import explained_yaml, load_recipe, recipe_names

    if name:
        recipe = load_recipe(name)
        click.echo(recipe.model_dump_json(indent=1) if as_json else explained_yaml(recipe).rstrip())
        return
    about = {each: load_recipe(each).about for each in recipe_names()}
    if as_json:
        click.echo(json.dumps(about, indent=1))
        return
    width = max(len(each) for each in about)
    for each, text in about.items():
        click.echo(f"{each:<{width}}  {text}")
