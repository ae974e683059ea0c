"""Shapes of apertures: irises of blades and drawn ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ....lens.aperture import Aperture
from ....lens.blur_disc import BlurDisc
from ...scenes import PLASTIC_STEPS, points_in_circle

# Of drawn shapes, px.
SIDE = 96
PICTURE_RADIUS = 47
# Radius at which a shape is looked at to find points in it, px.
DRAWN_RADIUS = 32
Shape = Callable[[Tensor, Tensor], Tensor]


def heart(x: Tensor, y: Tensor) -> Tensor:
    """Inside above 0; y up."""
    x, y = 1.25 * x, 1.25 * y + 0.15
    return -((x**2 + y**2 - 1) ** 3 - x**2 * y**3)


def star(x: Tensor, y: Tensor) -> Tensor:
    """Five points, one up."""
    sector = 2 * math.pi / 5
    angle = torch.atan2(x, y) / sector
    from_tip = (angle - angle.round()).abs() * sector  # 0 at a tip, half a sector between two
    inner, between = 0.42, sector / 2
    # The straight line from a tip to the notch beside it.
    rim = inner * math.sin(between) / (inner * torch.sin(between - from_tip) + torch.sin(from_tip))
    return rim - torch.hypot(x, y)


def ring(x: Tensor, y: Tensor) -> Tensor:
    """A mirror lens."""
    distance = torch.hypot(x, y)
    return torch.minimum(1 - distance, distance - 0.5)


def cross(x: Tensor, y: Tensor) -> Tensor:
    """Four arms."""
    narrow, wide = torch.minimum(x.abs(), y.abs()), torch.maximum(x.abs(), y.abs())
    return torch.minimum(0.28 - narrow, 0.95 - wide)


def crescent(x: Tensor, y: Tensor) -> Tensor:
    """A moon."""
    return torch.minimum(1 - torch.hypot(x, y), torch.hypot(x - 0.45, y) - 0.75)


def triangle(x: Tensor, y: Tensor) -> Tensor:
    """One corner up."""
    sides = (y + 0.5, 0.5 + 0.866 * x - 0.5 * y, 0.5 - 0.866 * x - 0.5 * y)
    return torch.stack(sides).amin(0)


DRAWN: dict[str, Shape] = {
    "heart": heart,
    "star": star,
    "ring": ring,
    "cross": cross,
    "crescent": crescent,
    "triangle": triangle,
}


def drawn_aperture(name: str, rotation_degrees: float = 0.0) -> Aperture:
    """An aperture of one of the shapes in `DRAWN`."""
    steps = ((torch.arange(SIDE) + 0.5) / SIDE * 2 - 1) * 1.05
    y, x = torch.meshgrid(-steps, steps, indexing="ij")
    inside = DRAWN[name](x, y)
    return Aperture(image=(inside > 0).float(), rotation_degrees=rotation_degrees)


def random_aperture(random: np.random.Generator) -> Aperture:
    """Blades in a third of the cases, else one of the shapes; turned at random."""
    turn = float(random.uniform(-180, 180))
    if random.random() < 1 / 3:
        blades = int(random.integers(5, 10))
        return Aperture(blades, turn, roundness=float(random.choice([0.0, 0.3, 0.6])))
    upright = turn if random.random() < 0.5 else 0.0
    return drawn_aperture(str(random.choice(list(DRAWN))), upright)


def picture_of(aperture: Aperture) -> Tensor:
    """The blur disc of an aperture in the background, `[97,97]` 0..1, a pixel from the edges."""
    disc = BlurDisc(aperture, edge="linear").draw(float(PICTURE_RADIUS))
    return disc / disc.amax()


def points_in(aperture: Aperture, count: int) -> Sequence[tuple[float, float]]:
    """About `count` points that cover an aperture evenly, in its radii, as the scene sees it.

    A disc in the background is upright as the aperture's picture, and shows it mirrored at its
    middle: what comes through the top of the lens falls below.
    """
    disc = BlurDisc(aperture, edge="linear").draw(float(DRAWN_RADIUS))
    shape, middle = (disc / disc.amax()).numpy(), disc.shape[0] // 2
    share = float(shape.sum()) / (np.pi * DRAWN_RADIUS**2)
    points = []
    for index, (right, down) in enumerate(points_in_circle(max(1, round(count / share)))):
        row, column = round(middle + DRAWN_RADIUS * down), round(middle + DRAWN_RADIUS * right)
        # Half-tones by another sequence than that of the places.
        if shape[row, column] > (index + 0.5) * PLASTIC_STEPS[0] % 1:
            points.append((-right, -down))
    return points
