"""BokehMe's classical scatter as its definition reads: slow, float64, one pixel after the other.

Written from the published formulas and sharing nothing with the package, as the independent truth
for its tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
# Weight 0..1 of a disc at the offsets (dx, dy) from its source, y down, for a blur radius in px.
Coverage = Callable[[Array, Array, float], Array]


def circle(dx: Array, dy: Array, radius: float) -> Array:
    """BokehMe's disc: `0.5 + 0.5 tanh(4 (r - ρ))`."""
    return 0.5 + 0.5 * np.tanh(4.0 * (radius - np.hypot(dx, dy)))


def polygon(sides: int, rotation_degrees: float = 0.0) -> Coverage:
    """A disc with straight sides and one corner up; rotation is counter-clockwise."""

    def coverage(dx: Array, dy: Array, radius: float) -> Array:
        rim = radius * rim_of_polygon(dx, dy, sides, rotation_degrees)
        return 0.5 + 0.5 * np.tanh(4.0 * (rim - np.hypot(dx, dy)))

    return coverage


def rim_of_polygon(dx: Array, dy: Array, sides: int, rotation_degrees: float) -> Array:
    """Distance from centre to rim in direction (dx, dy), for corners at distance 1.

    A ray leaves the polygon through the first side that it meets.
    """
    distance = np.maximum(np.hypot(dx, dy), 1e-12)
    rim = np.full(distance.shape, np.inf)
    for side in range(sides):
        normal = np.pi / 2 + np.radians(rotation_degrees) + (2 * side + 1) * np.pi / sides
        # y points down in the image, angles turn counter-clockwise.
        towards = (dx * np.cos(normal) - dy * np.sin(normal)) / distance
        with np.errstate(divide="ignore"):
            crossing = np.where(towards > 1e-9, np.cos(np.pi / sides) / towards, np.inf)
        rim = np.minimum(rim, crossing)
    return np.where(np.hypot(dx, dy) == 0, 1.0, rim)


def naive_scatter(
    image: Array,
    defocus: Array,
    coverage: Coverage = circle,
    weighting: Literal["bokehme", "energy"] = "bokehme",
) -> tuple[Array, Array]:
    """Every source pixel adds its light to all pixels of its own disc.

    Args:
        image: `[C,H,W]`.
        defocus: `[H,W]` signed blur radius, px; in front of the focus (> 0) discs are turned by
            half.
        coverage: shape of the disc.
        weighting: "bokehme" divides it by `r² + 0.2`, "energy" by its sum.

    Returns:
        The sums of light `[C,H,W]` and of weights `[H,W]`; what leaves the frame is lost.
    """
    _, height, width = image.shape
    light, weights = np.zeros(image.shape), np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            disc = disc_of(float(defocus[y, x]), coverage, weighting)
            reach = len(disc) // 2
            top, left = y - reach, x - reach
            rows = slice(max(top, 0), min(y + reach + 1, height))
            columns = slice(max(left, 0), min(x + reach + 1, width))
            inside = disc[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
            light[:, rows, columns] += image[:, y, x, None, None] * inside
            weights[rows, columns] += inside
    return light, weights


def disc_of(defocus: float, coverage: Coverage, weighting: str) -> Array:
    """One disc `[2·reach+1, 2·reach+1]`, reach `int(r) + 1`."""
    radius = abs(defocus)
    reach = int(radius) + 1
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    turn = -1.0 if defocus > 0 else 1.0
    disc = coverage(turn * dx, turn * dy, radius)
    return disc / (radius**2 + 0.2) if weighting == "bokehme" else disc / disc.sum()


def naive_bokeh(
    image: Array,
    defocus: Array,
    coverage: Coverage = circle,
    weighting: Literal["bokehme", "energy"] = "bokehme",
) -> Array:
    """The picture `[C,H,W]`: the sums of light divided by the sums of weights."""
    light, weights = naive_scatter(image, defocus, coverage, weighting)
    return light / weights


def dense_bokeh(image: Tensor, defocus: Tensor) -> Tensor:
    """`naive_bokeh` with round discs over all pairs of pixels at once, differentiable in torch.

    Args:
        image: `[C,H,W]` float64.
        defocus: `[H,W]` float64, px; the derivative of |r| at 0 is 0.
    """
    _, height, width = image.shape
    radius = defocus.abs().flatten()
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    dy, dx = ((line.flatten()[:, None] - line.flatten()).abs() for line in (y, x))
    distance = torch.hypot(dy.double(), dx.double())  # [targets, sources]
    window = torch.maximum(dy, dx) <= radius.detach().int() + 1
    weight = (0.5 + 0.5 * torch.tanh(4.0 * (radius - distance))) / (radius**2 + 0.2) * window
    light = image.flatten(1) @ weight.T
    return (light / weight.sum(1)).view_as(image)
