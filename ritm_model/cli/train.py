"""`ritm train` and `ritm recipes`: learn a model by a recipe."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from ritm_model.cli.options import as_json, config_option
from ritm_model.cli.output import echo_json, echo_table

places_option = click.option(
    "--data",
    "places",
    multiple=True,
    metavar="FOLDER",
    help="What to learn from: a pack, a folder of the COCO-RLE layout, or LAYOUT:FOLDER. For recipes that "
    "name data sets, NAME=FOLDER. Repeat it for more: several packs are learnt from as one.",
)
overrides_option = click.option(
    "--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Change the recipe: batch_size=8"
)


@click.command()
@click.argument("recipe")
@places_option
@config_option
@click.option(
    "--pretrained",
    metavar="FILE",
    help="ImageNet weights for the backbone of a new network: a file of HRNet's authors or of torchvision, "
    "or efficientnet-lite0.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the run; one that was interrupted goes on.",
)
@overrides_option
@click.option(
    "--resume-with",
    "resume_with",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change the recipe of the run in the folder; its log says so: optimiser.learning_rate=0.0005",
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), help="What computes; short for --set device=..."
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes of this machine that share every batch: one for each GPU.",
)
@click.option("--tensorboard", is_flag=True, help="Also write a record for TensorBoard into the folder.")
@as_json
def train(
    recipe: str,
    places: tuple[str, ...],
    config: Path | None,
    pretrained: str | None,
    out: Path,
    overrides: tuple[str, ...],
    resume_with: tuple[str, ...],
    device: str | None,
    processes: int,
    tensorboard: bool,
    as_json: bool,
) -> None:
    """Train a model by RECIPE, a name that `ritm recipes` lists or a YAML file.

    Everything is written into the folder of the run. Started again with the same words, an interrupted run
    goes on from its last checkpoint and ends with the weights it would have had.

    \b
    ritm train starter --data photographs --out run
    ritm train starter --data photographs --out run --processes 2
    ritm train finetune --data export --set model.weights=runs/first/model.safetensors --out runs/second
    ritm train hrnet18_cocolvis_itermask_3p --data COCO_LVIS=lvis --pretrained hrnetv2_w18.pth --out run
    torchrun --nproc-per-node 2 -m ritm_model train starter --data photographs --out run
    """
    from ritm_model.learning.loop.stopping import RunStopped, stop_on

    if device:
        overrides = (*overrides, f"device={device}")
    if pretrained:
        overrides = (*overrides, f"model.pretrained={json.dumps(pretrained)}")
    is_first = os.environ.get("RANK", "0") == "0"  # under torchrun, one process speaks for all
    with stop_on() as stop:
        try:
            from ritm_model.learning.loop.starting import describe_start
            from ritm_model.learning.recipes import load_recipe

            asked = load_recipe(recipe, (*overrides, *resume_with))
            data = data_roots(config, places)
            if not as_json and is_first:
                click.echo(describe_start(asked), err=True)
            if processes > 1:
                from ritm_model.learning.loop.launch import train_together

                model = train_together(
                    asked, data, out, processes, tensorboard=tensorboard, resume_with=resume_with
                )
            else:
                from ritm_model.learning.loop.loop import train as run

                model = run(asked, data, out, tensorboard=tensorboard, stop=stop, resume_with=resume_with)
        except RunStopped as stopped:
            if is_first:
                click.echo(str(stopped), err=True)
            raise click.exceptions.Exit(stopped.exit_code) from None
    if not is_first:
        return
    if as_json:
        facts = {"model": str(model), "steps": asked.steps, "epochs": asked.epochs, **_last_epoch(out)}
        echo_json(facts)
    else:
        click.echo(f"The model is {model}.")


def data_roots(config: Path | None, places: tuple[str, ...]) -> dict[str, str]:
    """Where data sets lie, by name; folders without a name are "own", "own2", …"""
    from ritm_model.datasets import parse_roots, read_roots
    from ritm_model.learning.recipes.schema import OWN

    is_named = ["=" in place and not Path(place).exists() for place in places]
    named = [place for place, has_name in zip(places, is_named, strict=True) if has_name]
    own = [place for place, has_name in zip(places, is_named, strict=True) if not has_name]
    numbered = [f"{OWN}{number if number > 1 else ''}={place}" for number, place in enumerate(own, 1)]
    return {**(read_roots(config) if config else {}), **parse_roots([*numbered, *named])}


def _last_epoch(run: Path) -> dict[str, object]:
    """IoUs of the last epoch: that of learning, and the list of those after 1, 2, … clicks."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    last: dict[str, object] = next(line for line in reversed(lines) if "epoch" in line)
    return {name: last[name] for name in ("epoch_iou", "validation_iou") if name in last}


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
        echo_json(about)
        return
    echo_table(about.items())
