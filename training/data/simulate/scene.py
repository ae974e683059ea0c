"""A scene to be photographed: what is known of it, and pictures that are made when asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ....lens.aperture import CIRCLE, Aperture
from ....lens.depth import Depth
from ....lens.focus import POINT_WINDOW
from ..records import Blur

# Disparities that differ by less from a focus plane's are in focus, relative to the depth's range.
IN_FOCUS = 0.025


@dataclass(frozen=True)
class Shot:
    """How a picture of a scene is taken.

    Args:
        blur: strength and focus plane.
        focus_point: a point in focus, as fractions of width and height; None if none is.
        aperture: shape of the blur disc.
    """

    blur: Blur
    focus_point: tuple[float, float] | None = None
    aperture: Aperture = CIRCLE


@dataclass(frozen=True, eq=False)
class SimulatedScene:
    """What a simulator makes of a number.

    Args:
        source: what the scene was made from.
        all_in_focus: `[3,H,W]` sRGB-coded 0..1.
        depth: `[1,1,H,W]`.
        shots: the pictures.
        photograph: makes one of them, `[3,H,W]` sRGB-coded 0..1.
    """

    source: str
    all_in_focus: Tensor
    depth: Depth
    shots: tuple[Shot, ...]
    photograph: Callable[[Shot], Tensor]


def focus_at_pixel(depth: Depth, row: int, column: int) -> tuple[float, tuple[float, float]]:
    """Disparity at a pixel, the median of its surroundings, and the pixel as fractions."""
    height, width = depth.size
    reach = int(POINT_WINDOW * max(height, width) / 2)
    window = depth.disparity[
        0, 0, max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1
    ]
    return float(window.median()), ((column + 0.5) / width, (row + 0.5) / height)


def point_in_focus(depth: Depth, plane: float, choice: float) -> tuple[float, float] | None:
    """A point whose disparity is about that of a focus plane, as fractions; None if none is.

    Args:
        depth: of one picture.
        plane: disparity of the focus.
        choice: which of them, 0..1.
    """
    disparity = depth.disparity[0, 0]
    span = float(disparity.amax() - disparity.amin())
    rows, columns = torch.nonzero((disparity - plane).abs() <= IN_FOCUS * span, as_tuple=True)
    if len(rows) == 0:
        return None
    index = min(int(choice * len(rows)), len(rows) - 1)
    height, width = depth.size
    return (float(columns[index]) + 0.5) / width, (float(rows[index]) + 0.5) / height
