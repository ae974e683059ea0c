"""What a pixel shows and what it hides: two surfaces per pixel from one image with depth.

A lens looks around edges. Next to a depth edge it needs what the pinhole image does not have: the
colour of each of the two surfaces that share an edge pixel, and what lies behind the nearer one.
Both are estimated here, in a few steps without a network: edge pixels are split like a matte
between their two sides, and the farther surface is continued behind the nearer one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .background import WHITE, continued_background, fill_levels, reach_of
from .blocks import Surroundings
from .dilation import dilated

# Difference of blur radius (px) between neighbouring pixels that makes a depth edge. Less is a
# slope, and blurs nearly alike on both sides.
EDGE_STEP = 1.0
# The slope of a surface is averaged this far (px).
SLOPE_REACH = 4
# A slope is longer than this reaches (px) to both sides: wider than the mean of a single step, a
# crease or the edge of a sheet of paper, which is no slope and hides what is behind it.
STEP_REACH = SLOPE_REACH + 1
# Edge pixels look this far (px) for the pure colours of their two sides.
MATTE_REACH = 2
# Contrast (linear light) between the two sides that makes colour count as much as depth in the
# question who owns an edge pixel. Texture has less, lights have more.
LEAST_CONTRAST = 0.4


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
        slope: `[B,1,H,W]` how much the blur radius changes from pixel to pixel on one surface.
    """

    near_color: Tensor
    near_radius: Tensor
    near_share: Tensor
    far_color: Tensor
    far_radius: Tensor
    far_shown: Tensor
    far_hidden: Tensor
    slope: Tensor


def surfaces_of(image: Tensor, radius: Tensor, max_radius: float) -> Surfaces:
    """Estimate the two surfaces of every pixel.

    Args:
        image: linear light `[B,C,H,W]`.
        radius: signed blur radius `[B,1,H,W]`, px.
        max_radius: of the widest blur that there is, px. So far the background is continued.
    """
    nearest, farthest = dilated(radius, 1), -dilated(-radius, 1)
    is_edge = nearest - farthest > EDGE_STEP
    zero, one = torch.zeros_like(radius), torch.ones_like(radius)
    slope = _slope((nearest - farthest) / 2, is_edge)
    if not bool(is_edge.any()):
        return Surfaces(image, radius, one, image, radius, zero, zero, slope)
    behind = continued_background(image, radius, is_edge, slope, max_radius)
    surfaces = Surfaces(
        image, radius, one, behind.color, behind.radius, zero, behind.is_known, slope
    )
    return _split_edges(surfaces, image, radius, is_edge, (nearest + farthest) / 2)


def _slope(change: Tensor, is_edge: Tensor) -> Tensor:
    """Mean change of the radius around each pixel, without the edges and without lone steps."""
    on_surface = (~is_edge).to(change.dtype)
    mean = _mean_around(change * on_surface) / _mean_around(on_surface).clamp(min=1e-3)
    return dilated(-dilated(-mean, STEP_REACH), STEP_REACH)


def _mean_around(values: Tensor) -> Tensor:
    """The mean within SLOPE_REACH, where nothing lies beyond the frame."""
    window, padding = 2 * SLOPE_REACH + 1, SLOPE_REACH
    rows = F.avg_pool2d(values, (window, 1), stride=1, padding=(padding, 0))
    return F.avg_pool2d(rows, (1, window), stride=1, padding=(0, padding))


def surroundings(max_radius: float) -> Surroundings:
    """What a pixel's surfaces depend on."""
    cell = 2 ** fill_levels(max_radius)
    # A cell takes from its neighbours, which take from theirs of twice the size, and so on.
    filled = 3 * cell
    around_edges = max(SLOPE_REACH + 2 * STEP_REACH, MATTE_REACH) + 1
    return Surroundings(reach_of(max_radius) + filled + around_edges, cell)


def _split_edges(
    surfaces: Surfaces, image: Tensor, radius: Tensor, is_edge: Tensor, middle: Tensor
) -> Surfaces:
    """Give each side of an edge pixel its share, as a matte of its colour between the two."""
    batch, row, column = is_edge[:, 0].nonzero(as_tuple=True)
    sides = _sides(image, radius, is_edge, middle, (batch, row, column))
    color, own = image[batch, :, row, column], radius[batch, 0, row, column]  # [E,C], [E]
    is_near = own > middle[batch, 0, row, column]
    share = _near_share(color, sides, is_near.to(color.dtype))
    near_color, far_color = _matched(color, sides, share)

    def with_edges(values: Tensor, at_edges: Tensor) -> Tensor:
        changed = values.clone()
        changed[batch, :, row, column] = at_edges
        return changed

    near_radius = torch.where(is_near, own, sides.near_radius)[:, None]
    far_radius = torch.where(is_near, sides.far_radius, own)[:, None]
    return Surfaces(
        near_color=with_edges(surfaces.near_color, near_color),
        near_radius=with_edges(surfaces.near_radius, near_radius),
        near_share=with_edges(surfaces.near_share, share[:, None]),
        far_color=with_edges(surfaces.far_color, far_color),
        far_radius=with_edges(surfaces.far_radius, far_radius),
        far_shown=with_edges(surfaces.far_shown, 1.0 - share[:, None]),
        far_hidden=with_edges(surfaces.far_hidden, share[:, None]),
        slope=surfaces.slope,
    )


@dataclass(frozen=True)
class _Sides:
    """Colours `[E,C]` and radii `[E]` to both sides of each edge pixel."""

    near_color: Tensor
    near_radius: Tensor
    far_color: Tensor
    far_radius: Tensor


def _sides(
    image: Tensor,
    radius: Tensor,
    is_edge: Tensor,
    middle: Tensor,
    at: tuple[Tensor, Tensor, Tensor],
) -> _Sides:
    """Look around every edge pixel for its two sides."""
    batch, row, column = at
    steps = torch.arange(-MATTE_REACH, MATTE_REACH + 1, device=radius.device)
    dy, dx = (offset.flatten() for offset in torch.meshgrid(steps, steps, indexing="ij"))
    rows = (row[:, None] + dy).clamp(0, radius.shape[-2] - 1)  # [E,K]
    columns = (column[:, None] + dx).clamp(0, radius.shape[-1] - 1)
    of = batch[:, None]
    colors = image[of, :, rows, columns]  # [E,K,C]
    radii, mixed = radius[of, 0, rows, columns], is_edge[of, 0, rows, columns]  # [E,K]
    is_near = radii > middle[batch, 0, row, column][:, None]
    nearness = torch.exp(-(dy**2 + dx**2).to(image.dtype))
    far_color, far_radius, _ = _side(colors, radii, ~is_near, mixed, nearness)
    near_color, near_radius, is_pure = _side(colors, radii, is_near, mixed, nearness)
    # Of what is thinner than a pixel no pure colour is in view: the one farthest from the
    # background comes closest. Close by it has to be, for beside a wire there may be another.
    contrast = (colors - far_color[:, None]).square().sum(2) * is_near * nearness
    extreme = colors[torch.arange(len(colors), device=colors.device), contrast.argmax(1)]
    return _Sides(
        torch.where(is_pure[:, None], near_color, extreme), near_radius, far_color, far_radius
    )


def _side(
    colors: Tensor, radii: Tensor, belongs: Tensor, mixed: Tensor, nearness: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean colour and radius of one side, of its unmixed pixels if there are any (the third)."""
    weight = belongs * nearness
    pure = weight * ~mixed
    is_pure = pure.sum(1) > 0
    weight = torch.where(is_pure[:, None], pure, weight)
    weight = weight / weight.sum(1, keepdim=True).clamp(min=1e-9)
    return (colors * weight[..., None]).sum(1), (radii * weight).sum(1), is_pure


def _near_share(color: Tensor, sides: _Sides, by_depth: Tensor) -> Tensor:
    """`[E]`: where each pixel's colour lies between its sides; without contrast, depth decides."""
    across = sides.near_color - sides.far_color
    contrast = across.square().sum(1)
    by_color = ((color - sides.far_color) * across).sum(1) / contrast.clamp(min=1e-9)
    trust = contrast / (contrast + LEAST_CONTRAST**2)
    return torch.lerp(by_depth, by_color.clamp(0.0, 1.0), trust)


def _matched(color: Tensor, sides: _Sides, share: Tensor) -> tuple[Tensor, Tensor]:
    """Colours of both sides, changed as little as makes their mixture the pixel's colour."""
    near, far = share[:, None], 1.0 - share[:, None]
    blur = (1.0 + sides.near_radius.abs()) / (1.0 + sides.far_radius.abs())
    takes = torch.where(color.amax(1) > WHITE, 1.0, blur.clamp(min=1.0))[:, None]
    missing = (color - near * sides.near_color - far * sides.far_color) / (takes * near**2 + far**2)
    near_color = (sides.near_color + takes * near * missing).clamp(min=0.0)
    return near_color, (sides.far_color + far * missing).clamp(min=0.0)
