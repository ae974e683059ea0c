"""Through which point of the aperture the light in a blur disc has come, and how much of it.

A disc is a picture of the aperture, as large as the blur. A lens does three things to that
picture: it bends it (squeeze, astigmatism), it cuts it (the rim of the barrel, a secondary mirror),
and it piles its light up unevenly (spherical aberration).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .aperture import Aperture

# By how much a swirl of 1 narrows the discs at the picture's corners.
SWIRL_NARROWING = 0.5
# Spherical aberration of 1 as a part of the blur radius. At 0.5 the rim becomes a caustic, which is
# infinitely bright.
FULL_ABERRATION = 0.45
NEWTON_STEPS = 5
# An aperture image gets this many samples along a blur radius, but no fewer and no more than these
# along a pixel.
SAMPLES_PER_RADIUS = 16
LEAST_SAMPLES, MOST_SAMPLES = 2, 8
# An image within the circle of this radius (px) lies in one pixel.
POINT_RADIUS = 0.5


class Bend:
    """The way from a pixel of the disc back into the aperture, at `n` places of the field.

    Args:
        aperture: its squeeze, swirl and cat's eye.
        fields: `[n,2]` as `View.field` gives them; beyond the corners as at the corners.
    """

    def __init__(self, aperture: Aperture, fields: Tensor) -> None:
        distance = fields.norm(dim=1).view(-1, 1, 1)
        outward = fields.view(-1, 2, 1, 1) / distance.clamp(min=1e-12)[:, None]
        self.outward_x, self.outward_y = outward.unbind(1)  # [n,1,1] each
        self.distance = distance.clamp(max=1.0)
        self.squeeze = aperture.squeeze
        self.narrowing = SWIRL_NARROWING * aperture.swirl * self.distance.square()
        self.rim_shift = max(aperture.cats_eye, aperture.swirl) * self.distance
        self.is_straight = aperture.squeeze == 1.0 and aperture.swirl == 0.0

    def to_aperture(self, dx: Tensor, dy: Tensor) -> tuple[Tensor, Tensor]:
        """Places `[S,S]` in the disc (px from its centre) as places `[n,S,S]` in the aperture.

        The aperture is as large as the blur: its rim is at the blur radius.
        """
        out = self.narrowing * (dx * self.outward_x + dy * self.outward_y)
        return self.squeeze * (dx + out * self.outward_x), dy + out * self.outward_y

    def steepness(self, x: Tensor, y: Tensor) -> Tensor:
        """Px that one moves outward in the aperture per px in the disc, at a place in it."""
        if self.is_straight:
            return torch.ones_like(x)
        distance = torch.hypot(x, y)
        along_x = self.squeeze * x / distance.clamp(min=1e-12)
        along_y = y / distance.clamp(min=1e-12)
        out = self.narrowing * (along_x * self.outward_x + along_y * self.outward_y)
        steep = torch.hypot(along_x + out * self.outward_x, along_y + out * self.outward_y)
        return torch.where(distance > 0, steep, 1.0)

    def from_rim(self, x: Tensor, y: Tensor, radius: float) -> tuple[Tensor, Tensor]:
        """Places in the aperture as seen from the middle of the barrel's rim.

        A point on the right looks into the barrel from the right: the rim hides the right of the
        aperture, that is, the outer side of the background's discs.
        """
        shift = self.rim_shift * radius
        return x + shift * self.outward_x, y + shift * self.outward_y


def transmission(aperture: Aperture, radius: float, reach: int, bend: Bend) -> Tensor:
    """The aperture image at a blur radius, area-sampled.

    Args:
        aperture: with an image.
        radius: px.
        reach: the result spans `-reach..reach` px.
        bend: of the `n` places in the field.

    Returns:
        `[n, 2·reach+1, 2·reach+1]` 0..1; a point for radii up to 0.5 px.
    """
    side, device = 2 * reach + 1, bend.distance.device
    if radius <= POINT_RADIUS:
        point = torch.zeros(len(bend.distance), side, side, dtype=torch.float64, device=device)
        point[:, reach, reach] = 1.0
        return point
    count = min(max(math.ceil(SAMPLES_PER_RADIUS / radius), LEAST_SAMPLES), MOST_SAMPLES)
    count *= math.ceil(aperture.squeeze)
    steps = (torch.arange(side * count, device=device) + 0.5) / count - side / 2.0
    dy, dx = torch.meshgrid(steps, steps, indexing="ij")
    x, y = bend.to_aperture(dx, dy)
    turn = math.radians(aperture.rotation_degrees)
    scale = aperture.image_radius / radius  # px of the image per px of the disc
    across = scale * (math.cos(turn) * x - math.sin(turn) * y)
    down = scale * (math.sin(turn) * x + math.cos(turn) * y)
    height, width = aperture.light.shape
    grid = torch.stack([across / (width / 2), down / (height / 2)], dim=-1).float()
    image = _shrunk(aperture.light, count / scale).to(grid)
    samples = F.grid_sample(
        image.expand(len(grid), 1, -1, -1), grid, mode="bilinear", align_corners=False
    )
    return F.avg_pool2d(samples, count)[:, 0].double()


def _shrunk(light: Tensor, scale: float) -> Tensor:
    """The image `[1,1,h,w]`, smaller if `scale` is below 1, with no more detail than that shows."""
    if scale >= 1:
        return light[None, None]
    size = [max(1, math.ceil(side * scale)) for side in light.shape]
    return F.interpolate(light[None, None], size, mode="bilinear", antialias=True)


def brightness(aberration: float, distance: Tensor, half_pixel: Tensor) -> Tensor:
    """How densely spherical aberration packs the light at a distance from a disc's middle.

    A ray through the aperture at ρ (0..1 of its radius) lands at `ρ (1 - k + k ρ²)`, of the blur
    radius. The light of the ring that lands within half a pixel, by the ring's area, is the mean
    brightness there, however sharp the caustic at the rim.

    Args:
        aberration: -1..1.
        distance: from the middle, in blur radii.
        half_pixel: half a pixel, in blur radii.

    Returns:
        1 without aberration; its mean over the disc is 1.
    """
    outer = (distance + half_pixel).clamp(max=1.0)
    inner = torch.minimum((distance - half_pixel).clamp(min=0.0), (1.0 - half_pixel).clamp(min=0.0))
    strength = FULL_ABERRATION * aberration
    light = _origin(outer, strength).square() - _origin(inner, strength).square()
    return light / (outer.square() - inner.square())


def _origin(landing: Tensor, strength: float) -> Tensor:
    """The ρ that lands at `ρ (1 - k + k ρ²)`, by Newton's method."""
    rho = landing
    for _ in range(NEWTON_STEPS):
        square = strength * rho.square()
        excess = rho * (1.0 - strength + square) - landing
        rho = rho - excess / (1.0 - strength + 3.0 * square)
    return rho
