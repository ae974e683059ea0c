"""The recipes by name. They import much, so that each is imported only when it is wanted."""

from __future__ import annotations

import importlib

from ...errors import InputError
from ..engine.task import Recipe

# Modules beside this one, each with a RECIPE.
NAMES = (
    "edge",
    "deblurnet",
    "bokehnet",
    "aperture-shape",
    "diffcamera",
    "bokehdiff",
    "exif-generator",
    "focus-distance",
)


def recipe_called(name: str) -> Recipe:
    """A recipe.

    Raises:
        InputError: there is none of that name.
    """
    if name not in NAMES:
        raise InputError("recipe", repr(name), f"Give one of {', '.join(NAMES)}.")
    module = importlib.import_module(f".{name.replace('-', '_')}", __package__)
    recipe: Recipe = module.RECIPE
    return recipe


def all_recipes() -> list[Recipe]:
    """Every recipe, in the order of `NAMES`."""
    return [recipe_called(name) for name in NAMES]
