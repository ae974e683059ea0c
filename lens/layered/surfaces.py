"""What a pixel shows and what it hides: two surfaces per pixel from one image with depth.

A lens looks around edges. Next to a depth edge it needs what the pinhole image does not have: the
colour of each of the two surfaces that share an edge pixel, and what lies behind the nearer one.
Both are estimated here, in a few steps without a network: edge pixels are split like a matte
between their two sides, and the farther surface is continued behind the nearer one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..blocks import Surroundings
from ..dilation import dilated
from ..window import Window
from .background import continued_background, fill_levels, reach_of
from .edge_matte import MATTE_REACH, EdgeMaps, split_edges
from .fringe import PURE_REACH, without_fringe

# Difference of blur radius (px) between neighbouring pixels that makes a depth edge. Less is a
# slope, and blurs nearly alike on both sides.
EDGE_STEP = 1.0


@dataclass(frozen=True)
class Surfaces:
    """Two surfaces per pixel.

    Args:
        near_color: `[B,C,H,W]` linear light of the nearer surface.
        near_radius: `[B,1,H,W]` its signed blur radius, px.
        near_share: `[B,1,H,W]` how much of the pixel it covers, 0..1.
        far_color: `[B,C,H,W]` linear light of the surface behind it.
        far_radius: `[B,1,H,W]` its signed blur radius, px.
        far_shown: `[B,1,H,W]` how much of the pixel it covers, in view.
        far_hidden: `[B,1,H,W]` how much of it is behind the nearer one; 0 where none is known.
    """

    near_color: Tensor
    near_radius: Tensor
    near_share: Tensor
    far_color: Tensor
    far_radius: Tensor
    far_shown: Tensor
    far_hidden: Tensor


def surfaces_of(
    image: Tensor, radius: Tensor, max_radius: float, window: Window | None = None
) -> Surfaces:
    """Estimate the two surfaces of every pixel.

    Args:
        image: linear light `[B,C,H,W]`.
        radius: signed blur radius `[B,1,H,W]`, px.
        max_radius: of the widest blur that there is, px. So far the background is continued.
        window: the part whose surfaces are wanted; all if None.

    Returns:
        The surfaces of the window.
    """
    window = window or Window(0, 0, *image.shape[-2:])
    nearest, farthest = dilated(radius, 1), -dilated(-radius, 1)
    is_edge = nearest - farthest > EDGE_STEP
    own_image, own_radius = window.of(image), window.of(radius)
    zero, one = torch.zeros_like(own_radius), torch.ones_like(own_radius)
    if not bool(is_edge.any()):
        return Surfaces(own_image, own_radius, one, own_image, own_radius, zero, zero)
    image = without_fringe(image, radius, is_edge)
    own_image = window.of(image)
    behind = continued_background(image, radius, is_edge, max_radius, window)
    surfaces = Surfaces(
        own_image, own_radius, one, behind.color, behind.radius, zero, behind.is_known
    )
    middle = (nearest + farthest) / 2
    return _split_edges(surfaces, EdgeMaps.of(image, radius, is_edge, middle), window)


def surroundings(max_radius: float) -> Surroundings:
    """What a pixel's surfaces depend on."""
    cell = 2 ** fill_levels(max_radius)
    # A cell takes from its neighbours, which take from theirs of twice the size, and so on.
    filled = 3 * cell
    around_edges = MATTE_REACH + 1 + 2 * PURE_REACH
    return Surroundings(reach_of(max_radius) + filled + around_edges, cell)


def _split_edges(surfaces: Surfaces, maps: EdgeMaps, window: Window) -> Surfaces:
    """Give each side of an edge pixel its share, as a matte of its colour between the two."""
    own, edges = maps.edges(window)
    if len(own) == 0:
        return surfaces
    near, far, share = split_edges(maps, edges)

    def with_edges(values: Tensor, at_edges: Tensor) -> Tensor:
        rows = values.transpose(0, 1)
        changed = rows.reshape(len(rows), -1).index_copy(1, own, at_edges)
        return changed.view(rows.shape).transpose(0, 1)

    return Surfaces(
        near_color=with_edges(surfaces.near_color, near[:-1]),
        near_radius=with_edges(surfaces.near_radius, near[-1:]),
        near_share=with_edges(surfaces.near_share, share),
        far_color=with_edges(surfaces.far_color, far[:-1]),
        far_radius=with_edges(surfaces.far_radius, far[-1:]),
        far_shown=with_edges(surfaces.far_shown, 1.0 - share),
        far_hidden=with_edges(surfaces.far_hidden, share),
    )
