"""Recipes: everything that a training run depends on, as typed YAML."""

from ritm_model.learning.recipes.explain import explained_yaml
from ritm_model.learning.recipes.loading import (
    load_recipe,
    parse_recipe,
    recipe_names,
    recipe_yaml,
)
from ritm_model.learning.recipes.schema import Recipe

__all__ = ["Recipe", "explained_yaml", "load_recipe", "parse_recipe", "recipe_names", "recipe_yaml"]
