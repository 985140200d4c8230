"""`import ritm_model` gives everything, at once for people and type checkers, and on demand for programs."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import ritm_model

SOURCE = Path(ritm_model.__file__)


def typed_names() -> dict[str, str]:
    """What type checkers are told: the module of each name."""
    tree = ast.parse(SOURCE.read_text())
    (block,) = [
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return {
        alias.name: str(statement.module)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


def test_lazy_and_typed_names_are_the_same() -> None:
    lazy = {name: f"ritm_model.{module}" for name, module in ritm_model._MODULE_OF.items()}
    assert lazy == typed_names()
    assert sorted(ritm_model.__all__) == sorted(lazy)
    assert [name for name in dir(ritm_model) if not name.startswith("__")] == sorted(ritm_model.__all__)


@pytest.mark.parametrize("name", ritm_model.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(ritm_model, name) is getattr(sys.modules[typed_names()[name]], name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Predictr'"):
        ritm_model.Predictr  # noqa: B018


def test_importing_it_imports_nothing_else() -> None:
    heavy = ["torch", "torchvision", "numpy", "cv2", "PIL", "pydantic", "click"]
    code = f"import sys, ritm_model; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def public_functions() -> Iterator[tuple[str, object]]:
    for name in ritm_model.__all__:
        value = getattr(ritm_model, name)
        if inspect.isfunction(value):
            yield name, value
    for name, value in vars(ritm_model.Predictor).items():
        if inspect.isfunction(value) and (not name.startswith("_") or name == "__init__"):
            yield f"Predictor.{name}", value


def mentioned(hint: object) -> Iterator[type]:
    if isinstance(hint, type):
        yield hint
    for part in typing.get_args(hint):
        for each in part if isinstance(part, list) else [part]:
            yield from mentioned(each)


@pytest.mark.parametrize(
    ("name", "function"), list(public_functions()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_whatever_signatures_mention_is_there_too(name: str, function: object) -> None:
    for hint in typing.get_type_hints(function).values():
        for kind in mentioned(hint):
            if kind.__module__.startswith("ritm_model"):
                assert kind.__name__ in ritm_model.__all__, f"{name} mentions {kind}"


@pytest.mark.parametrize(
    ("name", "function"), list(public_functions()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_parameter_is_explained(name: str, function: object) -> None:
    words = inspect.getdoc(function) or ""
    parameters = [
        each for each in inspect.signature(typing.cast(typing.Any, function)).parameters if each != "self"
    ]
    if name.endswith(("__init__", "with_engine", "replay")) or not parameters:
        return
    for parameter in parameters:
        assert f"{parameter}: " in words or f"{parameter}," in words, f"{name} does not explain {parameter}"


def test_paths_may_be_text() -> None:
    for name in (
        "load_model",
        "open_predictor",
        "read_image",
        "save_model",
        "train",
        "evaluate",
        "load_recipe",
    ):
        function = getattr(ritm_model, name)
        for parameter, hint in typing.get_type_hints(function).items():
            options = set(typing.get_args(hint))
            assert (Path in options) <= (str in options), f"{function} takes {parameter} as Path only"
            assert hint is not Path or parameter == "return", f"{function} takes {parameter} as Path only"


def test_values_of_the_front_door_are_frozen() -> None:
    for name in ("Click", "Box", "State", "PredictorOptions", "ZoomIn", "ProgressiveMerge"):
        kind = getattr(ritm_model, name)
        assert dataclasses.is_dataclass(kind)
        assert kind.__dataclass_params__.frozen
