"""Where to begin a fit: the likeness of two pictures for every focus and strength, roughly.

Far from the solution the likeness of two pictures says nothing about it, so the search goes without
gradients, and exhaustively: a gather takes every pixel from an evenly blurred picture, so that a
small stack of evenly blurred pictures tells the likeness for any K and δ_f.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..aperture import CIRCLE
from ..color import displayed
from ..taf import TafOptions, render_taf
from .comparison import LEAST_SCALE, OUTLIER, damped, exposure_gain
from .pair import LARGEST_RADIUS, LEAST_RADIUS_PX, Pair
from .plane import Limits, Plane

SEARCHED_PLANES = 65
SEARCHED_LEVELS = 48
DISPARITY_BINS = 64
STARTS = 5


def search_planes(pair: Pair, limits: Limits) -> list[Plane]:
    """The planes to start from, best first: local minima of the mismatch over all planes."""
    radii = [0.0, LEAST_RADIUS_PX]
    while radii[-1] < LARGEST_RADIUS * pair.side:
        radii.append(max(radii[-1] + 0.35, 1.15 * radii[-1]))
    table = _mismatch_by_blur(pair, radii, limits)
    focuses = torch.linspace(*limits.focus, SEARCHED_PLANES)
    largest = torch.logspace(
        math.log10(LEAST_RADIUS_PX), math.log10(LARGEST_RADIUS * pair.side), SEARCHED_LEVELS
    )
    bins = torch.linspace(*limits.scene, DISPARITY_BINS)
    farthest = torch.tensor([limits.farthest(float(focus)) for focus in focuses])
    # [planes, levels, bins]
    distance = (bins - focuses[:, None]).abs() / farthest[:, None]
    radius = distance[:, None] * largest[None, :, None]
    steps = torch.tensor(radii)
    below = (torch.searchsorted(steps, radius, right=True) - 1).clamp(0, len(radii) - 2)
    part = (radius - steps[below]) / (steps[below + 1] - steps[below])
    column = torch.arange(DISPARITY_BINS).expand_as(below)
    mismatch = torch.lerp(table[below, column], table[below + 1, column], part).sum(-1)
    return [
        Plane(float(focuses[i]), float(largest[j] / pair.side / farthest[i]))
        for i, j in _local_minima(mismatch)[:STARTS]
    ]


def _mismatch_by_blur(pair: Pair, radii: Sequence[float], limits: Limits) -> Tensor:
    """`[radii, bins]`: mismatch of all pixels of a disparity if they are blurred by a radius."""
    differences = []
    for radius in radii:
        even = torch.full_like(pair.disparity, radius)
        picture = displayed(render_taf(pair.sharp, even, CIRCLE, TafOptions()))
        exposure = exposure_gain(picture, pair.photo, torch.ones_like(even))
        differences.append((exposure * picture - pair.photo).square().sum(1).flatten())
    squares = torch.stack(differences)
    scale = max(OUTLIER * float(squares.amin(0).median().sqrt()), 4 * LEAST_SCALE)
    position = (pair.disparity.flatten() - limits.scene[0]) / limits.span * (DISPARITY_BINS - 1)
    bins = position.round().long()
    table = squares.new_zeros(len(radii), DISPARITY_BINS)
    return table.index_add_(1, bins, damped(squares, scale)).cpu()


def _local_minima(values: Tensor) -> list[tuple[int, int]]:
    """Places `(row, column)` of a table that are lower than all around, lowest first."""
    lowest = -F.max_pool2d(-values[None, None], 3, 1, 1)[0, 0]
    places = (values == lowest).nonzero().tolist()
    return sorted(((i, j) for i, j in places), key=lambda place: float(values[place]))
