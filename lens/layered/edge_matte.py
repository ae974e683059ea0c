"""The two sides of an edge pixel, split like a matte.

A pixel on a depth edge holds light of both surfaces. What is around it tells their colours, and its
own colour how much of the pixel is whose.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..window import Window

# Edge pixels look this far (px) for the pure colours of their two sides.
MATTE_REACH = 2
# Edge pixels that are looked at together: few, for each looks at 25.
EDGES_AT_ONCE = 2**13
# Contrast (linear light) between the two sides that makes colour count as much as depth in the
# question who owns an edge pixel. Texture has less, lights have more.
LEAST_CONTRAST = 0.4
# Pixels brighter than this (linear light) have a light in them, which belongs to one side alone.
WHITE = 1.0


@dataclass(frozen=True)
class EdgeMaps:
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
    def of(cls, image: Tensor, radius: Tensor, is_edge: Tensor, middle: Tensor) -> EdgeMaps:
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


def split_edges(maps: EdgeMaps, edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give each side of edge pixels its share.

    Args:
        maps: of the images.
        edges: `[E]` the pixels, at least one.

    Returns:
        Colour and radius (px) of the nearer side and of the farther one, `[C+1,E]` each, and the
        share of the nearer one `[1,E]`, 0..1. Both mixed by their shares are the pixel's colour.
    """
    parts = [_split(maps, some) for some in edges.split(EDGES_AT_ONCE)]
    near, far, share = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
    return near, far, share


def _split(maps: EdgeMaps, edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `split_edges`, all at once."""
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


def _sides(maps: EdgeMaps, edges: Tensor) -> _Sides:
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
