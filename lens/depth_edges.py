"""Depth edges as a lens needs them: hard, between surfaces that are smooth.

Estimated depth goes from one surface to the next over a soft ramp. Rendered as it stands, the ramp
is a surface of its own, somewhere in between: it may be in focus where neither side is, and draws a
sharp outline around a blurred silhouette. And depth from 8 bits or a JPEG is uneven, and every
unevenness looks like a small edge. Both are repaired in the map of blur radii, where a pixel
difference says how much it would show.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from .blocks import Block, Surroundings, in_blocks
from .progress import OnProgress

# Steeper than this (px of blur radius per px) is part of a ramp.
RAMP_SLOPE = 0.25
# A ramp that climbs by less (px of blur radius) is left alone.
LEAST_STEP = 2.0
# At its ends a ramp is less steep than on the whole, by this factor.
FLAT = 0.4
# Ramps are at most this long, as a fraction of the picture's longest edge, to either side. Longer
# ones are slopes: a floor, a wall seen from the side.
RAMP_REACH = 1 / 40
# Neighbours this far apart (px), whose blur radius differs by less than LIKE (px), are averaged.
SMOOTHING_REACH = 3
LIKE = 1.0
# Depth from 8 bits or a JPEG is uneven by less than this (px of blur radius).
UNEVENNESS = 0.35
# Rows and columns from a pixel to its neighbours, and to itself.
NEIGHBOURS = tuple(product((-1, 0, 1), repeat=2))
ITSELF = NEIGHBOURS.index((0, 0))
# Pixels that are looked at together on a CPU, so that they stay in its cache.
BAND_PIXELS = 2**16
# Memory that it takes: a walk is a map of whole numbers of 8 bytes.
BYTES_PER_PIXEL = 100


def repaired(defocus: Tensor) -> Tensor:
    """Harden soft depth edges and smooth what lies between them.

    Args:
        defocus: signed blur radius of a whole picture `[B,1,H,W]`, px.

    Returns:
        Signed blur radius `[B,1,H,W]`, px. Hard edges stay where they are, slopes as they are.
    """
    return _in_blocks(lambda part, longest: smoothed(hardened(part, longest)), defocus)


def hardened_in_blocks(defocus: Tensor) -> Tensor:
    """`hardened` for a whole picture of any size `[B,1,H,W]`."""
    return _in_blocks(hardened, defocus)


def _in_blocks(work: Callable[[Tensor, int], Tensor], defocus: Tensor) -> Tensor:
    longest_edge = max(defocus.shape[-2:])
    around = Surroundings(2 ** _doublings(longest_edge) + SMOOTHING_REACH + 1)
    result = torch.empty_like(defocus)

    def of_block(block: Block, _: OnProgress | None) -> Tensor:
        return work(block.outer.of(defocus), longest_edge)

    in_blocks(of_block, result, around, BYTES_PER_PIXEL, defocus.device)
    return result


def hardened(defocus: Tensor, longest_edge: int) -> Tensor:
    """Give every pixel of a ramp the blur radius of the end that is closer in value.

    From each pixel one walks up and down the steepest way, until it is no longer steep. A walk that
    does not end, or ends where it is hardly less steep, is on a slope.

    Args:
        defocus: signed blur radius `[B,1,H,W]`, px.
        longest_edge: of the whole picture, px.

    Returns:
        Signed blur radius `[B,1,H,W]`, px.
    """
    top = _walk(defocus, _doublings(longest_edge))
    bottom = _walk(-defocus, _doublings(longest_edge))
    climb = top.height + bottom.height
    rows, columns = top.row - bottom.row, top.column - bottom.column
    steepness = climb / torch.hypot(rows.to(climb), columns.to(climb)).clamp(min=1.0)
    flattens = torch.maximum(top.going_on, bottom.going_on) < FLAT * steepness
    is_ramp = top.has_arrived & bottom.has_arrived & (climb > LEAST_STEP) & flattens
    end = torch.where(2 * defocus > top.height - bottom.height, top.height, -bottom.height)
    return torch.where(is_ramp, end, defocus)


def _doublings(longest_edge: int) -> int:
    """How often the length of a walk, first one pixel, doubles."""
    return max(3, math.ceil(math.log2(RAMP_REACH * longest_edge)))


@dataclass(frozen=True)
class _Walk:
    """Where each pixel's walk uphill ends, all `[B,1,H,W]`.

    Args:
        height: at the end.
        row: of the end.
        column: of the end.
        going_on: how steep it still is there, per px.
        has_arrived: whether the walk was long enough.
    """

    height: Tensor
    row: Tensor
    column: Tensor
    going_on: Tensor
    has_arrived: Tensor


def _walk(height: Tensor, doublings: int) -> _Walk:
    """Walk uphill from every pixel, the steepest way."""
    step, slope = _steepest_neighbour(height)
    walk = step.flatten(1)  # [B,H·W]
    for _ in range(doublings):
        walk = walk.gather(1, walk)

    def at_end(values: Tensor) -> Tensor:
        return values.flatten(1).gather(1, walk).view_as(values)

    end = walk.view_as(step)
    columns = height.shape[-1]
    row = torch.div(end, columns, rounding_mode="floor")
    return _Walk(at_end(height), row, end % columns, at_end(slope), at_end(step) == end)


def _steepest_neighbour(height: Tensor) -> tuple[Tensor, Tensor]:
    """The neighbour steepest uphill, and how steep it is, both `[B,1,H,W]`.

    The neighbour as its index; the pixel itself where none is steep.
    """
    rows, columns = height.shape[-2:]
    found = [_steepest_way(band) for band in _bands(height, 1)]
    number, slope = (torch.cat(parts, -2) for parts in zip(*found, strict=True))
    steps = torch.tensor([dy * columns + dx for dy, dx in NEIGHBOURS], device=height.device)
    own = torch.arange(rows * columns, device=height.device).view(1, 1, rows, columns)
    return steps.take(number.long()).add_(own), slope


def _steepest_way(surrounded: Tensor) -> tuple[Tensor, Tensor]:
    """Among NEIGHBOURS the number of the steepest, and how steep, for `[B,1,h+2,w+2]`."""
    height = surrounded[..., 1:-1, 1:-1]
    rows, columns = height.shape[-2:]
    best = torch.zeros_like(height)
    # Chosen by number and by arithmetic: several times quicker than by index and `where`.
    number = torch.full_like(height, ITSELF, dtype=torch.int8)
    for index, (dy, dx) in enumerate(NEIGHBOURS):
        if index == ITSELF:
            continue
        beside = surrounded[..., 1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + columns]
        slope = (beside - height).mul_(1 / math.hypot(dy, dx))
        # Never beyond the frame: there lie copies of its edge, and the way to them is longer.
        number += (index - number).mul_(slope > best)
        best = torch.maximum(best, slope)
    number += (ITSELF - number).mul_(best <= RAMP_SLOPE)
    return number, best


def _bands(values: Tensor, reach: int) -> Iterator[Tensor]:
    """`[B,1,H,W]` in bands of rows, from the top, with `reach` px around each."""
    rows, columns = values.shape[-2:]
    surrounded = F.pad(values, (reach,) * 4, mode="replicate")
    at_once = max(1, BAND_PIXELS // columns) if values.device.type == "cpu" else rows
    for top in range(0, rows, at_once):
        yield surrounded[..., top : min(top + at_once, rows) + 2 * reach, :]


def smoothed(defocus: Tensor) -> Tensor:
    """Average each pixel with the like ones around it, along rows and then along columns.

    What that would change by more than unevenness is a small thing of its own, and left alone.

    Args and Returns as `repaired`.
    """
    return torch.cat([_smoothed_band(band) for band in _bands(defocus, SMOOTHING_REACH)], -2)


def _smoothed_band(surrounded: Tensor) -> Tensor:
    inside = slice(SMOOTHING_REACH, -SMOOTHING_REACH)
    own = surrounded[..., inside, inside]
    mean = _mean_of_like(_mean_of_like(surrounded, axis=-1), axis=-2)
    return torch.where((mean - own).abs() < UNEVENNESS, mean, own)


def _mean_of_like(surrounded: Tensor, axis: int) -> Tensor:
    """Each value's mean with the like ones along an axis, shorter by its ends."""
    length = surrounded.shape[axis] - 2 * SMOOTHING_REACH
    own = surrounded.narrow(axis, SMOOTHING_REACH, length)
    total, count = torch.zeros_like(own), torch.ones_like(own)
    for offset in range(2 * SMOOTHING_REACH + 1):
        if offset == SMOOTHING_REACH:
            continue
        difference = surrounded.narrow(axis, offset, length) - own
        is_like = difference.abs() < LIKE
        total += difference * is_like
        count += is_like
    return own + total / count
