"""The TAF lens as its definition reads: slow, float64, one target pixel after the other.

Written from the published formulas and sharing nothing with the package, as the independent truth
for its tests.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .scatter import Coverage, rim_of_polygon

Array = NDArray[np.float64]


def soft_circle(dx: Array, dy: Array, radius: float) -> Array:
    """The TAF lens' disc: 1 inside, falling to 0 over one pixel around the radius."""
    return np.clip(radius + 0.5 - np.hypot(dx, dy), 0.0, 1.0)


def soft_polygon(sides: int, rotation_degrees: float = 0.0) -> Coverage:
    """The same edge around a polygon with one corner up; rotation is counter-clockwise."""

    def coverage(dx: Array, dy: Array, radius: float) -> Array:
        rim = radius * rim_of_polygon(dx, dy, sides, rotation_degrees)
        return np.clip(rim + 0.5 - np.hypot(dx, dy), 0.0, 1.0)

    return coverage


def naive_gather(image: Array, defocus: Array, coverage: Coverage = soft_circle) -> Array:
    """Every target pixel averages its surroundings over its own disc.

    A source at offset (dx, dy) weighs what its light, spread by the target's disc, would leave
    on the target. The circle of confusion never falls below 1 px diameter, the point.

    Args:
        image: `[C,H,W]`; beyond the frame its edge is continued.
        defocus: `[H,W]` signed blur radius, px; in front of the focus (> 0) discs are turned by
            half.
        coverage: shape of the disc.

    Returns:
        `[C,H,W]`.
    """
    _, height, width = image.shape
    margin = int(np.abs(defocus).max()) + 2
    padded = np.pad(image, ((0, 0), (margin, margin), (margin, margin)), mode="edge")
    result = np.zeros(image.shape)
    for y in range(height):
        for x in range(width):
            radius = abs(float(defocus[y, x]))
            reach = int(radius) + 1
            dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
            turn = 1.0 if defocus[y, x] > 0 else -1.0  # from the source to the target: -(dx, dy)
            if radius <= 0.5:
                weight = ((dx == 0) & (dy == 0)).astype(np.float64)
            else:
                weight = coverage(turn * dx, turn * dy, radius)
            top, left = y + margin - reach, x + margin - reach
            window = padded[:, top : top + 2 * reach + 1, left : left + 2 * reach + 1]
            result[:, y, x] = (window * weight).sum((1, 2)) / (weight.sum() + 1e-8)
    return result


def dense_gather(image: Tensor, defocus: Tensor) -> Tensor:
    """`naive_gather` with round discs over all pairs of pixels at once, differentiable in torch.

    Args:
        image: `[C,H,W]` float64.
        defocus: `[H,W]` float64, px; no derivative below a radius of 0.5.
    """
    _, height, width = image.shape
    margin = int(defocus.detach().abs().max()) + 2
    padded = F.pad(image[None], (margin,) * 4, mode="replicate")[0]
    target_y, target_x = _places(height, width, 0)
    source_y, source_x = _places(height, width, margin)
    dy, dx = target_y[:, None] - source_y, target_x[:, None] - source_x
    distance = torch.hypot(dy, dx)  # [targets, sources]
    radius = defocus.abs().clamp(min=0.5).flatten()[:, None]
    weight = (radius + 0.5 - distance).clamp(0.0, 1.0)
    weight = weight / (weight.sum(1, keepdim=True) + 1e-8)
    return (padded.flatten(1) @ weight.T).view_as(image)


def _places(height: int, width: int, margin: int) -> tuple[Tensor, Tensor]:
    y = torch.arange(-margin, height + margin, dtype=torch.float64)
    x = torch.arange(-margin, width + margin, dtype=torch.float64)
    grid = torch.meshgrid(y, x, indexing="ij")
    return grid[0].flatten(), grid[1].flatten()
