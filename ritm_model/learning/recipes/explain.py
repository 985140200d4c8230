"""A recipe in full, as YAML, with a comment in plain words above every value."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator

import yaml
from pydantic import BaseModel, JsonValue

from ritm_model.learning.recipes.schema import ModelPart, Recipe
from ritm_model.networks import family_named

WIDTH = 108
ONE_LINE = 10_000
INDENT = "  "


def explained_yaml(recipe: Recipe) -> str:
    """Write a recipe out in full; `parse_recipe` takes it back."""
    return "\n".join(_lines(recipe, "")) + "\n"


def explanations_of_params(family: str) -> dict[str, str]:
    """What the parameters of a family of networks mean, as the docstrings of their classes say."""
    if not family:
        return {}
    return {
        name: " ".join(text.split())
        for kind in reversed(inspect.getmro(family_named(family).config))
        for name, text in re.findall(
            r"^ {4}(\w+): (.*(?:\n {8}.*)*)", inspect.cleandoc(kind.__doc__ or ""), flags=re.MULTILINE
        )
    }


def _lines(part: BaseModel, indent: str) -> Iterator[str]:
    for name, about in type(part).model_fields.items():
        value = getattr(part, name)
        if isinstance(value, BaseModel):
            yield ""
            yield from _comment(inspect.cleandoc(type(value).__doc__ or ""), indent)
            yield f"{indent}{name}:"
            yield from _lines(value, indent + INDENT)
            continue
        yield from _comment(about.description or "", indent)
        if isinstance(part, ModelPart) and name == "params" and part.params:
            yield f"{indent}{name}:"
            meanings = explanations_of_params(part.family)
            for key, number in part.params.items():
                yield from _comment(meanings.get(key, ""), indent + INDENT)
                yield from _dumped(key, number, indent + INDENT)
            continue
        for member in _members(value):
            for key, each in member.model_fields.items():
                yield from _comment(f"{key}: {each.description}", indent, bullet="- ")
        yield from _dumped(name, part.model_dump(mode="json")[name], indent)


def _members(value: object) -> set[type[BaseModel]]:
    """The kinds of parts that a list has."""
    return (
        {type(each) for each in value if isinstance(each, BaseModel)} if isinstance(value, tuple) else set()
    )


def _comment(words: str, indent: str, bullet: str = "") -> list[str]:
    text = " ".join(words.split())
    return textwrap.wrap(
        text[:1].upper() + text[1:] if not bullet else text,
        WIDTH,
        initial_indent=f"{indent}# {bullet}",
        subsequent_indent=f"{indent}# {' ' * len(bullet)}",
    )


def _dumped(name: str, value: JsonValue, indent: str) -> list[str]:
    flow = None if isinstance(value, list | dict) else False  # lists of plain values on one line
    text: str = yaml.safe_dump(
        {name: value}, sort_keys=False, allow_unicode=True, width=ONE_LINE, default_flow_style=flow
    )
    return [indent + line for line in text.splitlines()]
