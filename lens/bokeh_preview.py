"""What an aperture makes of points of light all over the picture."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError
from .aperture import Aperture
from .blur_disc import BlurDisc
from .chromatic import axial_shift
from .color import linear_to_srgb
from .view import View

# Distance between the discs, as a part of their diameter.
LEAST_GAP = 0.15


def bokeh_preview(
    aperture: Aperture, radius: float = 24.0, height: int = 640, width: int = 960
) -> Tensor:
    """Points of light on a grid over the picture, far behind and far in front of the focus.

    Args:
        aperture: whose discs.
        radius: blur radius, px.
        height: of the picture, px.
        width: px.

    Returns:
        `[2,3,height,width]`, sRGB-coded 0..1: behind the focus, in front of it. The brightest
        pixel of the two is white.

    Raises:
        InputError: a radius below 1 px or too large for the picture, a picture without pixels.
    """
    if min(height, width) < 1:
        raise InputError("width, height", f"{width} and {height}", "Give at least 1 px.")
    shift = axial_shift(aperture, height, width)
    room = (min(height, width) - 3) / 2
    if not 1.0 <= radius < room - abs(shift):  # a disc reaches less than 1 px beyond its radius
        received = f"{radius} px for a picture of {width}×{height}"
        raise InputError("radius", received, "Give at least 1, and room for one disc.")
    pictures = [_lights(aperture, sign * radius, shift, height, width) for sign in (-1.0, 1.0)]
    light = torch.stack(pictures)
    coded = linear_to_srgb(light / light.amax())
    return coded / coded.amax()


def _lights(aperture: Aperture, defocus: float, shift: float, height: int, width: int) -> Tensor:
    """`[3,H,W]` linear light of the grid at one signed blur radius, px."""
    disc, view = BlurDisc(aperture, edge="linear"), View(height, width)
    picture = torch.zeros(3, height, width)
    cell = (2 * disc.reach(abs(defocus) + abs(shift)) + 1) * (1.0 + LEAST_GAP)
    for row in _places(height, cell):
        for column in _places(width, cell):
            field = view.field(row + 0.5, column + 0.5)
            for channels, own in (([0, 2], defocus + shift), ([1], defocus)):
                drawn = disc.draw(abs(own), own > 0, field)
                top, left = (place - drawn.shape[0] // 2 for place in (row, column))
                rows, columns = slice(top, top + len(drawn)), slice(left, left + len(drawn))
                picture[channels, rows, columns] += drawn
    return picture


def _places(length: int, cell: float) -> list[int]:
    """Middles of an odd number of equal parts, so that one is in the picture's middle."""
    count = max(1, int(length / cell))
    count -= 1 - count % 2
    return [int((index + 0.5) * length / count) for index in range(count)]
