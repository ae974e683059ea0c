"""What one measures on a photograph of a point of light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def disc_diameter(light: NDArray[np.float64]) -> float:
    """Diameter in px of the uniform disc with the second moment of `light` `[H,W]`."""
    y, x = np.mgrid[: light.shape[0], : light.shape[1]]
    total = light.sum()
    center_y, center_x = (light * y).sum() / total, (light * x).sum() / total
    square = (light * ((y - center_y) ** 2 + (x - center_x) ** 2)).sum() / total
    return float(2.0 * np.sqrt(2.0 * square))


def similarity(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Cosine between two fields of gradients."""
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))
