"""What goes on behind a foreground: the farther surface continued from beside its silhouette."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..dilation import dilated
from ..pull_push import pull_push
from ..window import Window
from .edge_matte import WHITE
from .ladder import LEAST_GAP, gap_before
from .nearest import NONE, nearest_of

# The background is continued from pixels this close (px) to a depth edge that are not on it: those
# hold light of the foreground.
SOURCE_REACH = 2
# At this distance (px) a copy of such a pixel counts half as much as next to it.
COPY_REACH = 8.0
# Behind what is nearer by so many gaps from which on layers hide each other, the background is
# continued. Of closer surfaces some layers do not hide each other, and would let it shine through.
HIDING_GAPS = 1.5
# Pixels are copied from beside a silhouette: this much farther (px) than what can be seen.
MORE_REACH = 3.0
# The background is filled in for foregrounds of about the same blur radius at once: within
# FILL_STEP px, or within FILL_GROWTH of it where that is more.
FILL_STEP = 4.0
FILL_GROWTH = 1.25


@dataclass(frozen=True)
class Background:
    """What is behind the foregrounds, near their edges.

    Args:
        color: `[B,C,H,W]` linear light; the picture's own where nothing is known.
        radius: `[B,1,H,W]` signed blur radius, px; likewise.
        is_known: `[B,1,H,W]` 0 or 1.
    """

    color: Tensor
    radius: Tensor
    is_known: Tensor


def continued_background(
    image: Tensor,
    radius: Tensor,
    is_edge: Tensor,
    max_radius: float,
    window: Window,
) -> Background:
    """Continue what is farther behind what is nearer, as far as the widest blur can see.

    The radius is that of the nearest pixel beside the silhouette. The colour is a mean of that
    pixel's and of a smooth fill: a copy goes on without a seam, but in streaks, which the fill has
    not. So the copy counts less the farther away it was taken.

    Args:
        image: linear light `[B,C,H,W]`.
        radius: signed blur radius `[B,1,H,W]`, px.
        is_edge: `[B,1,H,W]` bool, depth edges.
        max_radius: of the widest blur that there is, px.
        window: behind which part of the image.

    Returns:
        The background of the window.
    """
    near_edge = torch.zeros_like(is_edge)
    window.of(near_edge).copy_(window.of(dilated(is_edge, reach_of(max_radius))))
    silhouette = dilated(radius, SOURCE_REACH + 1)
    # A light within an edge pixel does not go on behind the edge.
    is_mixed_light = is_edge & (image.amax(1, keepdim=True) > WHITE)
    beside = dilated(is_edge, SOURCE_REACH) & ~is_edge & (silhouette - radius > LEAST_GAP)
    color, behind = (each.clone(memory_format=torch.contiguous_format) for each in (image, radius))
    is_known = torch.zeros_like(behind)
    for index in range(len(image)):
        depths = _Depths(*(each[index].flatten() for each in (radius, silhouette)))
        bands = _from_far_to_near(
            radius[index, 0], near_edge[index, 0], ~is_mixed_light[index, 0], beside[index, 0]
        )
        farther = _Farther(image[index], fill_levels(max_radius))
        for front, far, sources in bands:
            farther.add(far, sources)
            if len(front) and farther.has_sources:
                nearest = farther.nearest_to(front)
                square = farther.square_distance(front, nearest)
                is_hidden = _has_behind(front, nearest, square, depths)
                front, nearest, square = front[is_hidden], nearest[is_hidden], square[is_hidden]
                color[index].flatten(1)[:, front] = farther.color_at(front, nearest, square)
                behind[index].view(-1)[front] = depths.radius[nearest]
                is_known[index].view(-1)[front] = 1.0
    return Background(*(window.of(each) for each in (color, behind, is_known)))


def reach_of(max_radius: float) -> int:
    """How far behind an edge a blur of that radius looks, px."""
    return math.ceil(max_radius) + 1


def fill_levels(max_radius: float) -> int:
    """How often the picture is halved to fill that far."""
    return math.ceil(math.log2(reach_of(max_radius)))


class _Depths(NamedTuple):
    """Maps `[N]` of an image's pixels: signed blur radius, the nearest one around."""

    radius: Tensor
    silhouette: Tensor


def _has_behind(front: Tensor, nearest: Tensor, square: Tensor, depths: _Depths) -> Tensor:
    """`[N]`: whether their `nearest` pixels go on behind `front` ones, and can be seen there."""
    behind, own = depths.radius[nearest], depths.radius[front]
    nearer = own - behind
    is_hidden = (nearest != NONE) & (nearer > HIDING_GAPS * gap_before(behind))
    # No lens sees farther behind a silhouette than the two can be displaced against each other.
    is_hidden &= square < (nearer + MORE_REACH).square()
    # What goes on behind a surface goes on behind nothing that is much farther than it.
    return is_hidden & (own > (behind + depths.silhouette[nearest]) / 2)


def _from_far_to_near(
    radius: Tensor, near_edge: Tensor, is_pure: Tensor, beside: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Bands of foregrounds, from the farthest to the nearest, all pixels as flat indices.

    Args:
        radius: `[H,W]` signed blur radius, px.
        near_edge: `[H,W]` bool: where something can be behind.
        is_pure: `[H,W]` bool: whose colour goes on.
        beside: `[H,W]` bool: what is beside a silhouette.

    Yields:
        The foregrounds of a band; the pure pixels that are farther than it, without those of the
        bands before; those of them that are beside a silhouette.
    """
    bounds = _bounds(float(radius.amin()), float(radius.amax()))
    steps = torch.tensor(bounds).to(radius)
    flat = radius.flatten()
    # Numbers of bands; of one byte, since all of them are looked at for every band.
    # bounds[own] < radius <= bounds[own + 1]
    own = torch.bucketize(flat, steps).to(torch.int8).sub_(1)
    own.masked_fill_(~near_edge.flatten(), NONE)
    behind = torch.bucketize(flat, steps - HIDING_GAPS * gap_before(steps), right=True).to(
        torch.int8
    )
    behind.masked_fill_(~is_pure.flatten(), NONE)
    for band in range(len(bounds) - 1):
        far = (behind == band).nonzero().flatten()
        yield (own == band).nonzero().flatten(), far, far[beside.flatten()[far]]


def _bounds(low: float, high: float) -> list[float]:
    """Bounds of the bands of signed radius between `low` and `high` that are filled behind at once.

    Always the same ones, whatever the picture: its blocks have to agree.
    """
    bounds = [0.0]
    while bounds[-1] < max(abs(low), abs(high)):
        bounds.append(max(bounds[-1] + FILL_STEP, bounds[-1] * FILL_GROWTH))
    bounds = [*(-bound for bound in bounds[:0:-1]), *bounds]
    reached = [(bottom, top) for bottom, top in pairwise(bounds) if top >= low and bottom < high]
    return [bottom for bottom, _ in reached] + [top for _, top in reached[-1:]]


class _Farther:
    """What is farther than a foreground, gathered in cells of 2×2 pixels.

    Nothing that is wanted of it lies at its own pixels, so that cells are fine enough.
    """

    def __init__(self, image: Tensor, levels: int) -> None:
        channels, self.height, self.width = image.shape
        self.levels = levels
        self.cell_rows, self.cell_columns = (self.height + 1) // 2, (self.width + 1) // 2
        cells = self.cell_rows * self.cell_columns
        # Pixels in rows `[H·W,C+1]`, with a weight: they are added and copied one by one.
        self.pixels = F.pad(image.flatten(1).T, (0, 1), value=1.0).contiguous()
        self.sums = image.new_zeros(cells, channels + 1)
        self.sources = torch.full((cells,), NONE, dtype=torch.int64, device=image.device)
        self.has_sources = False

    def add(self, pixels: Tensor, sources: Tensor) -> None:
        """Add pixels to fill from, and those of them to copy from, both flat indices."""
        self.sums.index_add_(0, self._cell(pixels), self.pixels[pixels])
        self.sources.scatter_reduce_(0, self._cell(sources), sources, "amax")
        self.has_sources = self.has_sources or len(sources) > 0

    def nearest_to(self, wanted: Tensor) -> Tensor:
        """`[N]`: about the nearest pixel to copy from, or NONE."""
        cells = self.sources.view(self.cell_rows, self.cell_columns)
        return nearest_of(cells, wanted, self.levels, self.width)

    def square_distance(self, wanted: Tensor, others: Tensor) -> Tensor:
        """`[N]`: how far pixels are from others, px²."""
        row, column = self._place(wanted)
        other_row, other_column = self._place(others)
        return (row - other_row).square() + (column - other_column).square()

    def color_at(self, wanted: Tensor, nearest: Tensor, square: Tensor) -> Tensor:
        """`[C,N]`: a mean of the nearest pixel, so far away (px²), and of a smooth fill."""
        count = self.sums[:, -1:]
        means = (self.sums / count.clamp(min=1.0)).T.reshape(
            1, -1, self.cell_rows, self.cell_columns
        )
        known = (count > 0).to(means.dtype).view(1, 1, self.cell_rows, self.cell_columns)
        smooth = pull_push(means, known, self.levels - 1)[0]
        copy = self.pixels[nearest].T / (1.0 + square / COPY_REACH**2)
        mixed = copy + self._between_cells(smooth, wanted)
        return mixed[:-1] / mixed[-1:]

    def _place(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        row = torch.div(pixels, self.width, rounding_mode="floor")
        return row, pixels - row * self.width

    def _cell(self, pixels: Tensor) -> Tensor:
        row, column = self._place(pixels)
        return (row >> 1) * self.cell_columns + (column >> 1)

    def _between_cells(self, cells: Tensor, wanted: Tensor) -> Tensor:
        """Bilinear values `[C,N]` of `[C,h,w]` at pixels."""
        row, column = self._place(wanted)
        # A pixel's centre is a quarter of a cell from its own cell's.
        beside_row = ((row >> 1) + 2 * (row & 1) - 1).clamp(0, self.cell_rows - 1)
        beside_column = ((column >> 1) + 2 * (column & 1) - 1).clamp(0, self.cell_columns - 1)
        rows, columns = (row >> 1, beside_row), (column >> 1, beside_column)
        upper = torch.lerp(cells[:, rows[0], columns[0]], cells[:, rows[0], columns[1]], 0.25)
        lower = torch.lerp(cells[:, rows[1], columns[0]], cells[:, rows[1], columns[1]], 0.25)
        return torch.lerp(upper, lower, 0.25)
