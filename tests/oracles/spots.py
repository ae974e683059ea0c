"""Blur discs as spot diagrams: rays through every point of the aperture, counted where they land.

Written from the geometry and sharing nothing with the package, as the independent truth for its
tests. Lengths are in radii of the aperture; x points right and y down, as in the picture.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RAYS = 1600


def spot_diagram(
    radius: float,
    passes: Callable[[Array, Array], NDArray[np.bool_]],
    lands: Callable[[Array, Array], tuple[Array, Array]] = lambda x, y: (x, y),
) -> Array:
    """Light of one point far behind the focus, `[2·reach+1, 2·reach+1]`, reach `int(r) + 1`.

    Args:
        radius: of the blur, px.
        passes: whether the ray through (x, y) of the aperture gets through the lens.
        lands: where in the disc it lands.

    Returns:
        Shares of the light, which sum to 1.
    """
    line = (np.arange(RAYS) + 0.5) / RAYS * 2 - 1
    x, y = (axis.ravel() for axis in np.meshgrid(line, line))
    open_to = (np.hypot(x, y) < 1) & passes(x, y)
    at_x, at_y = lands(x[open_to], y[open_to])
    reach = int(radius) + 1
    edges = np.arange(-reach - 0.5, reach + 1)
    counts, _, _ = np.histogram2d(radius * at_y, radius * at_x, bins=(edges, edges))
    return counts / counts.sum()
