"""The definitions as a loop over all pixels and all offsets, compiled by numba, on one thread.

They are what the package's fast methods are compared with: BokehMe's classical scatter as published
(classical_renderer/scatter.py, whose CUDA kernel runs one thread per source pixel), a scatter of
discs of equal energy, and the gather with the target's disc.

Nothing is held back: what does not depend on the offset is computed once per pixel, colours and
weight lie side by side in memory, and light that leaves the frame costs nothing. In the published
scatter most of the time goes into `tanh`. float64 throughout: float32 was no faster (0.73 s against
0.71 s, 256×256, radii 0..20), and so the result is the truth as well.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Image = NDArray[np.float32]
Sums = NDArray[np.float64]


def published_scatter(image: Image, defocus: Image) -> Sums:
    """The picture that BokehMe's published scatter makes.

    Args:
        image: `[3,H,W]` linear.
        defocus: `[H,W]` signed blur radius, px.

    Returns:
        `[3,H,W]` linear.
    """
    sums = _published_sums(image, defocus)
    return np.moveaxis(sums[..., :3] / sums[..., 3:], -1, 0)


def energy_scatter(image: Image, defocus: Image) -> Sums:
    """Every pixel's light spread evenly over its own disc; arguments as above."""
    sums = _energy_sums(image, defocus)
    return np.moveaxis(sums[..., :3] / sums[..., 3:], -1, 0)


@njit(cache=True)
def gather(image: Image, defocus: Image) -> Sums:
    """Every pixel the mean over its own disc, as far as that lies in the frame."""
    _, height, width = image.shape
    result = np.empty((3, height, width))
    for y in range(height):
        for x in range(width):
            radius = max(abs(float(defocus[y, x])), 0.5)
            reach = int(radius) + 1
            red, green, blue, total = 0.0, 0.0, 0.0, 0.0
            for source_y in range(max(y - reach, 0), min(y + reach + 1, height)):
                for source_x in range(max(x - reach, 0), min(x + reach + 1, width)):
                    weight = _linear_edge(source_x - x, source_y - y, radius)
                    red += weight * image[0, source_y, source_x]
                    green += weight * image[1, source_y, source_x]
                    blue += weight * image[2, source_y, source_x]
                    total += weight
            result[0, y, x] = red / total
            result[1, y, x] = green / total
            result[2, y, x] = blue / total
    return result


@njit(cache=True)
def _linear_edge(dx: int, dy: int, radius: float) -> float:
    """1 inside the disc, falling to 0 over one pixel around the radius."""
    return min(max(radius + 0.5 - math.sqrt(dx * dx + dy * dy), 0.0), 1.0)


@njit(cache=True)
def _energy_sums(image: Image, defocus: Image) -> Sums:
    """`[H,W,4]`: the weighted sums of the three colours, and the sum of the weights."""
    _, height, width = image.shape
    sums = np.zeros((height, width, 4))
    for y in range(height):
        for x in range(width):
            red, green, blue = image[0, y, x], image[1, y, x], image[2, y, x]
            radius = max(abs(float(defocus[y, x])), 0.5)
            reach = int(radius) + 1
            area = 0.0
            for dy in range(-reach, reach + 1):
                for dx in range(-reach, reach + 1):
                    area += _linear_edge(dx, dy, radius)
            for target_y in range(max(y - reach, 0), min(y + reach + 1, height)):
                for target_x in range(max(x - reach, 0), min(x + reach + 1, width)):
                    weight = _linear_edge(target_x - x, target_y - y, radius) / area
                    sums[target_y, target_x, 0] += weight * red
                    sums[target_y, target_x, 1] += weight * green
                    sums[target_y, target_x, 2] += weight * blue
                    sums[target_y, target_x, 3] += weight
    return sums


@njit(cache=True)
def _published_sums(image: Image, defocus: Image) -> Sums:
    """`[H,W,4]`: the weighted sums of the three colours, and the sum of the weights."""
    _, height, width = image.shape
    sums = np.zeros((height, width, 4))
    for y in range(height):
        for x in range(width):
            red, green, blue = image[0, y, x], image[1, y, x], image[2, y, x]
            radius = abs(float(defocus[y, x]))
            reach = int(radius) + 1
            scale = 1.0 / (radius * radius + 0.2)
            for target_y in range(max(y - reach, 0), min(y + reach + 1, height)):
                for target_x in range(max(x - reach, 0), min(x + reach + 1, width)):
                    distance = math.sqrt((target_x - x) ** 2 + (target_y - y) ** 2)
                    weight = (0.5 + 0.5 * math.tanh(4.0 * (radius - distance))) * scale
                    sums[target_y, target_x, 0] += weight * red
                    sums[target_y, target_x, 1] += weight * green
                    sums[target_y, target_x, 2] += weight * blue
                    sums[target_y, target_x, 3] += weight
    return sums
