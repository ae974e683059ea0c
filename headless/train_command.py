"""`focuspuller train`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .devices import device_called

if TYPE_CHECKING:
    from ..training.engine.task import Recipe

EXAMPLES = """examples:
  focuspuller train --list
  focuspuller train edge --preset tiny --out out/edge
  focuspuller train edge --print-config > edge.yaml
  focuspuller train edge --config edge.yaml --set run.steps=5000 --out out/edge

A run that was interrupted goes on when it is started again with the same settings and folder.
Several processes: accelerate launch --module focuspuller.headless.cli train ..."""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "train",
        description="Train a network, or go on with a training, and write the weights.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="what to train, see --list")
    parser.add_argument("--list", action="store_true", help="list the recipes and stop")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings that change, as YAML")
    parser.add_argument("--preset", metavar="NAME", help="settings to start from, see --list")
    parser.add_argument(
        *("--set", "-s"),
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="changes",
        help="change one setting, such as run.steps=200",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print all settings as YAML and stop"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run")
    parser.add_argument("--device", help="cpu or cuda; by default what there is")
    parser.set_defaults(execute=_execute)


def _execute(options: argparse.Namespace) -> None:
    from ..training.recipes.catalog import all_recipes, recipe_called

    if options.list:
        for recipe in all_recipes():
            presets = ", ".join(recipe.presets)
            print(f"{recipe.name:<16}{recipe.summary} (presets: {presets})")
        return
    if options.recipe is None:
        raise InputError("recipe", "none", "Give one; focuspuller train --list shows them.")
    recipe = recipe_called(options.recipe)
    config = _config(recipe, options)
    if options.print_config:
        from ..training.engine.config import as_yaml

        print(as_yaml(config), end="")
        return
    _train(recipe, config, options)


def _config(recipe: Recipe, options: argparse.Namespace) -> Any:
    from ..training.engine.config import config_from

    names = list(recipe.presets)
    name = options.preset or names[0]
    if name not in recipe.presets:
        raise InputError("--preset", repr(name), f"Give one of {', '.join(names)}.")
    preset = recipe.presets[name]
    return config_from(type(preset), preset, options.config, options.changes)


def _train(recipe: Recipe, config: Any, options: argparse.Namespace) -> None:
    from ..training.engine.loop import train

    if options.out is None:
        raise InputError("--out", "none", "Give the folder of the run.")
    outcome = train(recipe, config, options.out, device_called(options.device), quiet=False)
    if outcome.weights is None:
        print(f"stopped after step {outcome.step}; the same command goes on from there")
    else:
        print(outcome.weights)
