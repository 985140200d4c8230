"""Keys of recipes that have been renamed. The old names are read for one version, with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from pydantic import JsonValue

RENAMED = {
    "clicks.corrective": "clicks.max_next_clicks",
    "clicks.forget_chance": "clicks.prev_mask_dropout",
    "clicks.merge_chance": "clicks.merge_prob",
    "clicks.erode_chance": "clicks.erode_prob",
    "data.paste_chance": "data.paste_prob",
    "data.sources.stuff_chance": "data.sources.stuff_prob",
    "data.validation.stuff_chance": "data.validation.stuff_prob",
    "optimiser.average": "optimiser.ema_decay",
}


def with_new_names(tree: dict[str, JsonValue], source: str) -> dict[str, JsonValue]:
    """Give a recipe's tree with today's names in place of old ones; warns for each (FutureWarning)."""
    for old, new in RENAMED.items():
        path, _, old_key = old.rpartition(".")
        new_key = new.rpartition(".")[2]
        for part in _parts(tree, path.split(".")):
            if old_key in part and new_key not in part:
                part[new_key] = part.pop(old_key)
                warnings.warn(f"{source}: {old} is now called {new}.", FutureWarning, stacklevel=2)
    return tree


def new_name(path: str, source: str) -> str:
    """Give today's name of a dotted path, as overrides have it; warns if it was an old one."""
    new = RENAMED.get(path)
    if new is None:
        return path
    warnings.warn(f"{source}: {path} is now called {new}.", FutureWarning, stacklevel=2)
    return new


def _parts(value: JsonValue, path: list[str]) -> Iterable[dict[str, JsonValue]]:
    """The dictionaries at a path; a list on the way stands for all of its items."""
    if isinstance(value, list):
        for item in value:
            yield from _parts(item, path)
    elif isinstance(value, dict):
        if not path:
            yield value
        elif path[0] in value:
            yield from _parts(value[path[0]], path[1:])
