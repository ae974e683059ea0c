"""`--find-focus`: the command line's way to let the focus be found."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ..errors import InputError
from ..lens.depth import Depth
from ..lens.focus import Focus
from .devices import working_device
from .find_focus import find_focus


def add_find_focus_options(parser: argparse.ArgumentParser, places: Any) -> None:
    """Add the options.

    Args:
        parser: of the command.
        places: its group of places to focus on, of which one is given.
    """
    places.add_argument(
        "--find-focus",
        action="store_true",
        help="where a photographer would: on what catches the eye, found by a network; of several "
        "frames, in the first",
    )
    parser.add_argument(
        "--focus-weights",
        metavar="FILE",
        help="the network for --find-focus: a trained focus distance transformer, or RGBD_VST.pth "
        "(default: the one in the folders of models)",
    )


def check_find_focus(options: argparse.Namespace) -> None:
    """Refuse weights that nothing uses.

    Raises:
        InputError: there are such.
    """
    if options.focus_weights is not None and not options.find_focus:
        raise InputError("--focus-weights", "no --find-focus beside it", "Give both, or neither.")


def found_focus(
    options: argparse.Namespace, image: np.ndarray, depth: Depth, linear: bool
) -> tuple[Focus, float]:
    """The focus that is found in a picture, and the focus scale.

    Args:
        options: parsed, with --find-focus.
        image: the picture `[H,W,3]`.
        depth: of it, of any size.
        linear: the picture holds linear light.
    """
    found = find_focus(
        image,
        depth,
        weights=options.focus_weights,
        focus_range=options.focus_range,
        linear=linear,
        device=working_device(options.device),
    )
    return found.focus, float(found.focus_scale)
