"""The places to focus on, on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..lens.depth import Depth
from ..lens.focus import Focus
from ..lens.focus_areas import Area
from .aperture_options import grey
from .render import choose_focus

AREA_FORM = "X,Y or LEFT,TOP,RIGHT,BOTTOM"


def add_focus_options(parser: argparse.ArgumentParser, required: bool) -> Any:
    """Add the places that can be focused on to a command, exactly one or at most one.

    Returns:
        The group of them, to add further places to.
    """
    title = "focus (exactly one place)" if required else "focus (where it is known)"
    group = parser.add_argument_group(title)
    places = group.add_mutually_exclusive_group(required=required)
    places.add_argument(
        "--focus",
        metavar="X,Y",
        type=_areas,
        help="a point, as fractions from the top left, or a region LEFT,TOP,RIGHT,BOTTOM, whose "
        'median depth counts; more that shall be sharp too after semicolons, "0.3,0.4; 0.6,0.5"',
    )
    places.add_argument("--focus-mask", metavar="FILE", type=Path, help="a subject, white in FILE")
    places.add_argument("--focus-distance", metavar="M", type=float, help="metres")
    places.add_argument(
        "--focus-disparity",
        metavar="D",
        type=float,
        help="1/m for metric depth, 0..1 (1 = nearest) for relative",
    )
    group.add_argument(
        "--focus-range",
        metavar="R",
        type=float,
        default=0.0,
        help="how much depth stays sharp: metres with --focus-distance, else disparity",
    )
    return places


def area(text: str) -> Area:
    """X,Y or LEFT,TOP,RIGHT,BOTTOM, an argument type. What is outside is refused later."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    match numbers:
        case [x, y]:
            return x, y
        case [left, top, right, bottom]:
            return left, top, right, bottom
    raise argparse.ArgumentTypeError(f"{text!r} is not {AREA_FORM}, such as 0.4,0.3")


def focus_place(options: argparse.Namespace) -> Callable[[Depth], Focus]:
    """What finds the focus that the options ask for in a depth map."""
    return partial(
        choose_focus,
        focus_point=options.focus,
        focus_mask=_focus_mask(options),
        focus_distance=options.focus_distance,
        focus_disparity=options.focus_disparity,
        focus_range=options.focus_range,
    )


def _focus_mask(options: argparse.Namespace) -> torch.Tensor | None:
    return None if options.focus_mask is None else grey(options.focus_mask)


def _areas(text: str) -> list[Area]:
    return [area(part) for part in text.split(";")]
