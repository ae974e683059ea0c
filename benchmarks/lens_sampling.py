"""The plain lens-sampling renderer: one sharp picture per point of the aperture, all averaged.

Seen from another point of the lens, a pixel is displaced by its defocus times that point. Every
such picture is a forward warp of the RGB-D image with a depth buffer. What it uncovers is filled by
one more layer: the surface beside each silhouette, continued behind it. What nothing reaches is
left out of the mean. Compiled by numba, on one thread.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

POINTS = 300
# Neighbours whose blur radii differ by more, in px, belong to two surfaces.
GAP_PX = 1.5
GOLDEN_ANGLE = math.pi * (3.0 - math.sqrt(5.0))

Image = NDArray[np.float32]
Indices = NDArray[np.int32]


def lens_sampling(image: Image, defocus: Image, points: int = POINTS) -> Image:
    """Average `points` views.

    Args:
        image: `[3,H,W]` linear light.
        defocus: `[H,W]` signed blur radius, px, positive in front of the focus.
        points: on the aperture.

    Returns:
        `[3,H,W]` linear light.
    """
    _, height, width = image.shape
    front = np.ascontiguousarray(np.moveaxis(image, 0, -1), np.float32).reshape(-1, 3)
    behind, source = hidden_surfaces(defocus)
    # The picture's own pixels first, then those behind them.
    colour = np.concatenate([front, front[source]])
    place = np.concatenate([np.arange(height * width, dtype=np.int32), behind])
    radius = np.concatenate([defocus.ravel(), defocus.ravel()[source]]).astype(np.float32)
    mean = _mean_view(colour, place, radius, height, width, aperture_points(points))
    return np.ascontiguousarray(np.moveaxis(mean, -1, 0))


def aperture_points(count: int) -> Image:
    """`[count,2]` points that cover the unit disc evenly: Vogel's spiral."""
    index = np.arange(count)
    distance = np.sqrt((index + 0.5) / count)
    angle = GOLDEN_ANGLE * index
    return np.stack([distance * np.cos(angle), distance * np.sin(angle)], -1).astype(np.float32)


@njit(cache=True)
def hidden_surfaces(defocus: Image) -> tuple[Indices, Indices]:
    """Where a farther surface goes on behind a nearer one, and which of its pixels it repeats.

    From every silhouette the pixel beside it is continued behind the nearer surface, as far as the
    two can be displaced against each other; where two meet, the closer silhouette counts.

    Returns:
        Flat indices `[N]` of the pixels that have something behind them, and of its sources `[N]`.
    """
    height, width = defocus.shape
    source = np.full((height, width), -1, np.int32)
    distance = np.full((height, width), np.inf, np.float32)
    for y in range(height):
        for x in range(width):
            for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                # The pixel at the silhouette mixes both surfaces, the next one is all its own.
                for step in (2, 1):
                    v, u = y + step * dy, x + step * dx
                    if 0 <= v < height and 0 <= u < width:
                        gap = defocus[y, x] - defocus[v, u]
                        edge = defocus[y, x] - defocus[y + dy, x + dx]
                        if edge > GAP_PX and gap > GAP_PX and step < distance[y, x]:
                            distance[y, x], source[y, x] = step, v * width + u
    for sweep in range(2):
        forward = sweep % 2 == 0
        for row in range(height):
            y = row if forward else height - 1 - row
            for column in range(width):
                x = column if forward else width - 1 - column
                back = -1 if forward else 1
                for dy, dx in ((0, back), (back, -1), (back, 0), (back, 1)):
                    v, u = y + dy, x + dx
                    if 0 <= v < height and 0 <= u < width and source[v, u] >= 0:
                        at = source[v, u]
                        away = math.hypot(y - at // width, x - at % width)
                        gap = defocus[y, x] - defocus[at // width, at % width]
                        if gap > GAP_PX and away < distance[y, x] and away <= gap + 3.0:
                            distance[y, x], source[y, x] = away, at
    found = np.flatnonzero(source.ravel() >= 0)
    return found.astype(np.int32), source.ravel()[found]


@njit(cache=True, fastmath=True)
def _mean_view(
    colour: Image, place: Indices, radius: Image, height: int, width: int, points: Image
) -> Image:
    """The mean over all points of the lens, `[H,W,3]`."""
    margin = int(np.abs(radius).max()) + 2
    stride = width + 2 * margin
    depth = np.empty((height + 2 * margin) * stride, np.float32)
    seen = np.empty((height + 2 * margin) * stride, np.int32)
    total = np.zeros((height, width, 4), np.float32)
    origin = np.empty(len(place), np.int32)
    for index in range(len(place)):
        row, column = place[index] // width, place[index] % width
        origin[index] = (row + margin) * stride + column + margin
    for point in range(len(points)):
        right, down = points[point, 0], points[point, 1]
        depth[:] = -np.inf
        seen[:] = -1
        for index in range(len(origin)):
            blur = radius[index]
            # Truncation of a positive number rounds to the nearest pixel.
            step_x = int(blur * right + margin + 0.5) - margin
            step_y = int(blur * down + margin + 0.5) - margin
            target = origin[index] + step_y * stride + step_x
            if blur > depth[target]:
                depth[target] = blur
                seen[target] = index
        for row in range(height):
            start = (row + margin) * stride + margin
            for column in range(width):
                index = seen[start + column]
                if index >= 0:
                    for channel in range(3):
                        total[row, column, channel] += colour[index, channel]
                    total[row, column, 3] += 1.0
    result = np.empty((height, width, 3), np.float32)
    for row in range(height):
        for column in range(width):
            count = total[row, column, 3]
            own = colour[row * width + column]
            for channel in range(3):
                light = total[row, column, channel]
                result[row, column, channel] = light / count if count > 0 else own[channel]
    return result
