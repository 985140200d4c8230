"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

as_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="RITM_DATASETS",
    show_envvar=True,
    help="YAML file with NAME: PATH, line by line; the paper's config.yml will do.",
)
root_option = click.option(
    "--root",
    "roots",
    multiple=True,
    metavar="NAME=PATH",
    help="Where a data set lies; of your own, NAME=LAYOUT:PATH. Repeat it for more.",
)
