"""`ritm train` and `ritm recipes`: learn a model by a recipe."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("recipe")
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the data to learn from.",
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
def train(recipe: str, data: Path, out: Path, overrides: tuple[str, ...]) -> None:
    """Train a model by RECIPE, a name that `ritm recipes` lists or a YAML file.

    Everything is written into the folder of the run. Started again with the same words, an interrupted run
    goes on from its last checkpoint and ends with the weights it would have had.
    """
    from ritm_model.learning.engine import train as run
    from ritm_model.learning.recipes import load_recipe

    model = run(load_recipe(recipe, overrides), data, out)
    click.echo(f"The model is {model}.")


@click.command()
@click.argument("name", required=False)
def recipes(name: str | None) -> None:
    """List the recipes, or show the one called NAME in full."""
    from ritm_model.learning.recipes import load_recipe, recipe_names, recipe_yaml

    if name:
        click.echo(recipe_yaml(load_recipe(name)), nl=False)
        return
    names = recipe_names()
    width = max(len(each) for each in names)
    for each in names:
        click.echo(f"{each:<{width}}  {load_recipe(each).about}")
