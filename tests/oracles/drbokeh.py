"""Dr.Bokeh's layers as their definition reads: slow, float64, one target pixel after the other.

Written from the published formulas and sharing nothing with the package, as the independent truth
for its tests. Nothing lies beyond the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Layer(NamedTuple):
    """Colour `[C,H,W]` (not times alpha), alpha `[H,W]`, signed blur radius `[H,W]` in px."""

    color: Array
    alpha: Array
    defocus: Array


def naive_layer(layer: Layer, bokeh_level: float) -> tuple[Array, Array]:
    """Mean colour `[C,H,W]` and opacity `[H,W]` of one blurred layer.

    Args:
        layer: as it would be all in focus.
        bokeh_level: px of blur radius per disparity, which spans 0..1.
    """
    color, alpha, defocus = layer
    height, width = alpha.shape
    mean, opacity = np.zeros(color.shape), np.zeros(alpha.shape)
    rows, columns = np.mgrid[:height, :width]
    size = np.abs(defocus) + 1.0
    disparity = defocus / bokeh_level
    for y in range(height):
        for x in range(width):
            distance = np.hypot(rows - y, columns - x)
            weight = 0.1 / (0.1 + np.exp(-3.0 * (size - distance)) + 1e-6) / size**2
            blurred = 1.0 - np.exp(-3.0 * defocus[y, x] ** 2)
            nearer = 0.5 + 0.5 * np.tanh(10.0 * (disparity - disparity[y, x] - 0.1))
            visible = (1.0 - blurred) * nearer + blurred
            visible[y, x] = 1.0
            share = weight * visible * alpha
            mean[:, y, x] = (share * color).sum((1, 2)) / (share.sum() + 1e-8)
            half = int(size[y, x] / 2.0)
            box = alpha[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
            opacity[y, x] = box.mean()
    return mean, opacity


def naive_composite(scene: Sequence[Layer], bokeh_level: float) -> Array:
    """Layers from the front over each other, `[C,H,W]`."""
    result, uncovered = np.zeros(scene[0].color.shape), np.ones(scene[0].alpha.shape)
    for layer in scene:
        mean, opacity = naive_layer(layer, bokeh_level)
        result += uncovered * opacity * mean
        uncovered *= 1.0 - opacity
    return result
