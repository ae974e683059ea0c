"""Depth where none was measured: holes are filled from what lies behind.

Sensors leave holes. Two cameras see no depth where only one of them looks behind a silhouette, and
a scanner none where its beam is hidden: such shadows lie beside near things, on what is behind
them. A smooth filling would hang a ramp between both, which is in focus where neither side is. So a
hole between two surfaces takes the farther one, and a hole in one surface goes on smoothly.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Neighbours, one cell apart, are two surfaces if their disparity differs by more than this
# fraction of the map's range, and by more than a slope of so many ranges over the longest edge; at
# any rate if by more than this fraction.
LEAST_STEP = 0.04
STEEPEST_SLOPE = 4.0
MOST_STEP = 0.3
# Single wild values do not make the range.
RANGE_QUANTILES = (0.01, 0.99)
QUANTILE_PIXELS = 2**16
# A colour is clearly the nearer side's if it is closer to it by this much (0..1).
CLEARLY = 0.2
# What each of a coarse cell's four neighbours counts for one of its quarters, in 16ths (bilinear).
NEAREST, BESIDE, ACROSS = 9.0, 3.0, 1.0


def filled_from_behind(disparity: Tensor, valid: Tensor, image: Tensor | None = None) -> Tensor:
    """Fill the holes of a disparity map.

    The map is halved again and again; a cell is the mean of the valid ones in it, and of two
    surfaces that of the farther one. Holes then take from the coarse cells around them, likewise.
    With an image, a hole between two surfaces takes the nearer one if it clearly has its colour.

    Args:
        disparity: `[B,1,H,W]`, larger = nearer; anything where it is not valid.
        valid: `[B,1,H,W]` bool; somewhere true in each map.
        image: `[B,C,H,W]`, sRGB-coded 0..1, that the depth belongs to.

    Returns:
        `[B,1,H,W]`; what was valid stays as it is.
    """
    known = torch.where(valid, disparity, 0.0)
    spans = torch.stack([_range(one[mask]) for one, mask in zip(known, valid, strict=True)])
    spans, longest = spans.view(-1, 1, 1, 1), max(disparity.shape[-2:])
    if image is None:
        return _filled(known, valid, spans, 1, longest)
    colors = torch.where(valid, image.to(known), 0.0)
    far = _filled(torch.cat([known, colors], 1), valid, spans, 1, longest)
    near = _filled(torch.cat([-known, colors], 1), valid, spans, 1, longest)
    off_far, off_near = (
        (filled[:, 1:] - image.to(known)).square().sum(1, keepdim=True) for filled in (far, near)
    )
    return torch.where(off_near + CLEARLY**2 < off_far, -near[:, :1], far[:, :1])


def _range(values: Tensor) -> Tensor:
    some = values[:: -(-values.numel() // QUANTILE_PIXELS)]
    low, high = torch.quantile(some.double(), some.new_tensor(RANGE_QUANTILES).double())
    return (high - low).to(values)


def _filled(values: Tensor, valid: Tensor, spans: Tensor, cell: int, longest: int) -> Tensor:
    if bool(valid.all()):
        return values
    step = spans * min(LEAST_STEP + STEEPEST_SLOPE * 2 * cell / longest, MOST_STEP)
    coarse = _filled(*_halved(values, valid, step), spans, 2 * cell, longest)
    return torch.where(valid, values, _doubled(coarse, step, values.shape))


def _halved(values: Tensor, valid: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Each 2×2 values as one, and where any of them is valid."""
    odd = (0, values.shape[-1] % 2, 0, values.shape[-2] % 2)
    quarters, known = (
        torch.stack([part[..., i::2, j::2] for i in (0, 1) for j in (0, 1)])
        for part in (F.pad(values, odd), F.pad(valid, odd))
    )
    return _farther_mean(quarters, known.to(values.dtype), step), known.any(0)


def _doubled(values: Tensor, step: Tensor, size: torch.Size) -> Tensor:
    """Four of each value, from it and the three cells around its corner."""
    height, width = values.shape[-2:]
    around = F.pad(values, (1, 1, 1, 1), mode="replicate")

    def neighbours(rows: int, columns: int) -> Tensor:
        return around[..., 1 + rows : 1 + rows + height, 1 + columns : 1 + columns + width]

    weights = values.new_tensor([NEAREST, BESIDE, BESIDE, ACROSS]).view(4, 1, 1, 1, 1)
    weights = weights.expand(4, len(values), 1, height, width)
    doubled = values.new_empty(*values.shape[:2], 2 * height, 2 * width)
    for i in (0, 1):
        for j in (0, 1):
            down, right = 2 * i - 1, 2 * j - 1
            cells = [neighbours(*place) for place in ((0, 0), (down, 0), (0, right), (down, right))]
            four = torch.stack(cells)
            doubled[..., i::2, j::2] = _farther_mean(four, weights, step)
    return doubled[..., : size[-2], : size[-1]]


def _farther_mean(values: Tensor, weights: Tensor, step: Tensor) -> Tensor:
    """Mean of `[4,B,C,h,w]` over the first axis; where there are two surfaces, of the farther.

    The first channel is disparity, by which the others follow.
    """
    is_known, disparity = weights > 0, values[:, :, :1]
    nearest = torch.where(is_known, disparity, -torch.inf).amax(0)
    farthest = torch.where(is_known, disparity, torch.inf).amin(0)
    is_behind = (disparity - farthest <= nearest - disparity) | (nearest - farthest <= step)
    counted = weights * is_behind
    # Where none is known, both ends are infinite, and nothing counts.
    return (values * counted).sum(0) / counted.sum(0).clamp(min=1e-9)
