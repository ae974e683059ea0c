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
from .running_sum import running_sum
from .window import Window

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
# Edge pixels that are looked at together: few, for each looks at 25.
EDGES_AT_ONCE = 2**13
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
    slope = _slope((nearest - farthest) / 2, is_edge)
    own_image, own_radius, own_slope = (window.of(each) for each in (image, radius, slope))
    zero, one = torch.zeros_like(own_radius), torch.ones_like(own_radius)
    if not bool(is_edge.any()):
        return Surfaces(own_image, own_radius, one, own_image, own_radius, zero, zero, own_slope)
    behind = continued_background(image, radius, is_edge, slope, max_radius, window)
    surfaces = Surfaces(
        own_image, own_radius, one, behind.color, behind.radius, zero, behind.is_known, own_slope
    )
    middle = (nearest + farthest) / 2
    return _split_edges(surfaces, _Maps.of(image, radius, is_edge, middle), window)


def _slope(change: Tensor, is_edge: Tensor) -> Tensor:
    """Mean change of the radius around each pixel, without the edges and without lone steps."""
    on_surface = (~is_edge).to(change.dtype)
    mean = _mean_around(change * on_surface) / _mean_around(on_surface).clamp(min=1e-3)
    return dilated(-dilated(-mean, STEP_REACH), STEP_REACH)


def _mean_around(values: Tensor) -> Tensor:
    """The mean within SLOPE_REACH, where nothing lies beyond the frame."""
    length = 2 * SLOPE_REACH + 1
    sums = running_sum(F.pad(values, (SLOPE_REACH,) * 4), length, -2)
    return running_sum(sums, length, -1) / length**2


def surroundings(max_radius: float) -> Surroundings:
    """What a pixel's surfaces depend on."""
    cell = 2 ** fill_levels(max_radius)
    # A cell takes from its neighbours, which take from theirs of twice the size, and so on.
    filled = 3 * cell
    around_edges = max(SLOPE_REACH + 2 * STEP_REACH, MATTE_REACH) + 1
    return Surroundings(reach_of(max_radius) + filled + around_edges, cell)


@dataclass(frozen=True)
class _Maps:
    """A batch of images as rows of N = B·H·W pixels.

    Args:
        color: `[C,N]` linear light.
        radius: `[N]` signed blur radius, px.
        is_edge: `[N]` bool.
        middle: `[N]` radius between the two sides of an edge, px.
        height: of an image, px.
        width: px.
    """

    color: Tensor
    radius: Tensor
    is_edge: Tensor
    middle: Tensor
    height: int
    width: int

    @classmethod
    def of(cls, image: Tensor, radius: Tensor, is_edge: Tensor, middle: Tensor) -> _Maps:
        """From `[B,C,H,W]` and three times `[B,1,H,W]`."""
        color = image.transpose(0, 1).reshape(image.shape[1], -1)
        height, width = image.shape[-2:]
        return cls(color, radius.flatten(), is_edge.flatten(), middle.flatten(), height, width)

    def edges(self, window: Window) -> tuple[Tensor, Tensor]:
        """`[E]` twice: the edge pixels of a window, in rows of its own pixels and in these."""
        inside = window.of(self.is_edge.view(-1, self.height, self.width))
        image, row, column = inside.nonzero().unbind(1)
        own = (image * window.height + row) * window.width + column
        row, column = row + window.top, column + window.left
        return own, (image * self.height + row) * self.width + column

    def around(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """`[K,E]`: the pixels within MATTE_REACH of `[E]` ones; `[K,1]`: how near they are."""
        steps = torch.arange(-MATTE_REACH, MATTE_REACH + 1, device=pixels.device)
        down, right = torch.meshgrid(steps, steps, indexing="ij")
        down, right = down.reshape(-1, 1), right.reshape(-1, 1)
        line = torch.div(pixels, self.width, rounding_mode="floor")
        image = torch.div(line, self.height, rounding_mode="floor")
        row, column = line - image * self.height, pixels - line * self.width
        rows = (row + down).clamp_(0, self.height - 1) + image * self.height
        columns = (column + right).clamp_(0, self.width - 1)
        square = (down**2 + right**2).to(self.radius)
        return rows.mul_(self.width).add_(columns), torch.exp(-square)


def _split_edges(surfaces: Surfaces, maps: _Maps, window: Window) -> Surfaces:
    """Give each side of an edge pixel its share, as a matte of its colour between the two."""
    own, edges = maps.edges(window)
    if len(own) == 0:
        return surfaces
    parts = [_split(maps, some) for some in edges.split(EDGES_AT_ONCE)]
    near, far, share = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))

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
        slope=surfaces.slope,
    )


def _split(maps: _Maps, edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Colour and radius of the nearer and of the farther side `[C+1,E]`, the nearer one's share."""
    sides = _sides(maps, edges)
    color, own = maps.color[:, edges], maps.radius[edges]
    is_near = own > maps.middle[edges]
    share = _near_share(color, sides, is_near.to(color.dtype))
    near_color, far_color = _matched(color, sides, share)
    near_radius = torch.where(is_near, own, sides.near_radius)
    far_radius = torch.where(is_near, sides.far_radius, own)
    near, far = torch.cat([near_color, near_radius[None]]), torch.cat([far_color, far_radius[None]])
    return near, far, share[None]


@dataclass(frozen=True)
class _Sides:
    """Colours `[C,E]` and radii `[E]` to both sides of each edge pixel."""

    near_color: Tensor
    near_radius: Tensor
    far_color: Tensor
    far_radius: Tensor


def _sides(maps: _Maps, edges: Tensor) -> _Sides:
    """Look around every edge pixel `[E]` for its two sides."""
    around, nearness = maps.around(edges)
    colors, radii, mixed = maps.color[:, around], maps.radius[around], maps.is_edge[around]
    is_near = radii > maps.middle[edges]
    far_color, far_radius, _ = _side(colors, radii, ~is_near * nearness, mixed)
    near_color, near_radius, is_pure = _side(colors, radii, is_near * nearness, mixed)
    # Of what is thinner than a pixel no pure colour is in view: the one farthest from the
    # background comes closest. Close by it has to be, for beside a wire there may be another.
    contrast = (colors - far_color[:, None]).square().sum(0) * is_near * nearness
    farthest = contrast.argmax(0).expand(len(colors), 1, -1)
    extreme = colors.gather(1, farthest)[:, 0]
    return _Sides(torch.where(is_pure, near_color, extreme), near_radius, far_color, far_radius)


def _side(
    colors: Tensor, radii: Tensor, weight: Tensor, mixed: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean colour and radius of one side, of its unmixed pixels if there are any (the third).

    From `[C,K,E]` colours, `[K,E]` radii, weights, 0 on the other side, and which are mixed.
    """
    pure = weight * ~mixed
    is_pure = pure.sum(0) > 0
    weight = torch.where(is_pure, pure, weight)
    weight /= weight.sum(0).clamp_(min=1e-9)
    return (colors * weight).sum(1), (radii * weight).sum(0), is_pure


def _near_share(color: Tensor, sides: _Sides, by_depth: Tensor) -> Tensor:
    """`[E]`: where each pixel's colour lies between its sides; without contrast, depth decides."""
    across = sides.near_color - sides.far_color
    contrast = across.square().sum(0)
    by_color = ((color - sides.far_color) * across).sum(0) / contrast.clamp(min=1e-9)
    trust = contrast / (contrast + LEAST_CONTRAST**2)
    return torch.lerp(by_depth, by_color.clamp(0.0, 1.0), trust)


def _matched(color: Tensor, sides: _Sides, share: Tensor) -> tuple[Tensor, Tensor]:
    """Colours of both sides, changed as little as makes their mixture the pixel's colour."""
    near, far = share, 1.0 - share
    blur = (1.0 + sides.near_radius.abs()) / (1.0 + sides.far_radius.abs())
    takes = torch.where(color.amax(0) > WHITE, 1.0, blur.clamp(min=1.0))
    missing = (color - near * sides.near_color - far * sides.far_color) / (takes * near**2 + far**2)
    near_color = (sides.near_color + takes * near * missing).clamp(min=0.0)
    return near_color, (sides.far_color + far * missing).clamp(min=0.0)
