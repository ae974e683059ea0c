"""Options of commands that put depth edges where the picture has them."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch

from ..lens.depth import Depth
from ..lens.image import to_planar
from .depth import refine_depth


def add_edge_options(group: Any) -> None:
    """Add `--align-depth` and `--refine-depth`, at most one of which can be given."""
    edges = group.add_mutually_exclusive_group()
    edges.add_argument(
        "--align-depth", action="store_true", help="pull depth edges onto those of the photo"
    )
    edges.add_argument(
        "--refine-depth",
        action="store_true",
        help="the same with a small network, for imperfect depth; exact depth stays as it is",
    )


def improves_depth(options: argparse.Namespace) -> bool:
    """Whether the options ask for it."""
    return options.align_depth or options.refine_depth


def improved_depth(
    options: argparse.Namespace, depth: Depth, image: np.ndarray, linear: bool
) -> Depth:
    """The depth aligned or refined, or as it is.

    Args:
        options: parsed.
        depth: of one picture.
        image: the picture `[H,W,3]`.
        linear: it holds linear light.
    """
    if options.align_depth:
        guide = to_planar(torch.from_numpy(image)[None])
        height, width = guide.shape[-2:]
        return depth.resized(height, width).aligned_to(guide)
    if options.refine_depth:
        device = options.device or ("cuda" if torch.cuda.is_available() else None)
        return refine_depth(depth, image, linear=linear, device=device)
    return depth
