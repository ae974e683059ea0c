"""Blur discs: the footprint on the image of one point of light, at any blur radius."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

import torch
from torch import Tensor

from ..errors import InputError
from .aperture import CIRCLE, Aperture
from .pupil import Bend, brightness, transmission

Edge = Literal["linear", "tanh", "drbokeh"]
Weighting = Literal["energy", "bokehme"]

# Dr.Bokeh's disc is a pixel larger than the blur radius and ends in a slow slope: 0.09 at its rim,
# 0.005 a pixel and 0.0002 two pixels beyond.
DRBOKEH_MARGIN = 1.0
DRBOKEH_SOFTNESS = 0.1
DRBOKEH_STEEPNESS = 3.0
DRBOKEH_TAIL = 3


@dataclass(frozen=True, eq=False)
class BlurDisc:
    """All blur discs of one aperture under one renderer's definition.

    A disc is drawn around the chief ray, the one through the middle of the aperture. That is where
    the point of light would be if it were sharp, and it stays the middle where the rim of the
    barrel cuts the disc on one side: what is left is off centre, as the light behind such a lens
    is.

    Args:
        aperture: shape of the disc.
        edge: "linear" falls from 1 to 0 over one pixel around the radius (TAF lens), "tanh" is
            BokehMe's `0.5 + 0.5 tanh(4 (r - d))`, "drbokeh" is Dr.Bokeh's
            `0.1 / (0.1 + exp(-3 (r + 1 - d)))`.
        weighting: "energy" makes every disc sum to 1; "bokehme" divides by `r² + 0.2`, whose sum
            swings between 1.96 and 3.40 for radii below 2 px; "drbokeh" divides by `(r + 1)²`,
            whose sum grows from 1.19 to 3. Only the blades' own shape changes these sums: an image
            weighs as much as a circle, and what bends, cuts or shades a disc leaves its weight as
            it is.
    """

    aperture: Aperture = field(default=CIRCLE)
    edge: Edge = "tanh"
    weighting: Weighting | Literal["drbokeh"] = "energy"

    def reach(self, radius: float) -> int:
        """Pixels from the centre that a disc of this radius can touch."""
        return int(radius) + (DRBOKEH_TAIL if self.edge == "drbokeh" else 1)

    def draw(
        self, radius: float, in_front: bool = False, field: tuple[float, float] = (0.0, 0.0)
    ) -> Tensor:
        """One disc.

        Args:
            radius: px, >= 0.
            in_front: as seen in front of the focus: turned by half, spherical aberration reversed.
            field: place in the picture, as `View.field` gives it.

        Returns:
            `[2·reach+1, 2·reach+1]` float32, the chief ray at the centre.

        Raises:
            InputError: the rim or the mirror hides all of the aperture image.
        """
        return self.draw_many(radius, in_front, torch.tensor([field], dtype=torch.float64))[0]

    def draw_many(self, radius: float, in_front: bool, fields: Tensor) -> Tensor:
        """The discs of one radius at several places of the picture.

        Args:
            radius: px, >= 0.
            in_front: as in `draw`.
            fields: `[n,2]` float64, on the device to draw on.

        Returns:
            `[n, 2·reach+1, 2·reach+1]` float32.

        Raises:
            InputError: as in `draw`.
        """
        coverage = self._coverage(radius, in_front, fields)
        total = coverage.sum((1, 2), keepdim=True)
        if not bool((total > 0).all()):
            raise InputError(
                "aperture image",
                "a shape that the rim of the lens or its mirror hides completely",
                "Draw it around the middle, or lower cats_eye, swirl or obstruction.",
            )
        if in_front:
            coverage = coverage.flip(1, 2)
        if self.weighting == "energy":
            return (coverage / total).float()
        weight = total if self.aperture.is_bare_iris else self._iris_weight(radius)
        area = (
            (radius + DRBOKEH_MARGIN) ** 2 if self.weighting == "drbokeh" else radius * radius + 0.2
        )
        return (coverage * (weight / total) / area).float()

    def _coverage(self, radius: float, in_front: bool, fields: Tensor) -> Tensor:
        """Discs of weight 1 inside, not turned, `[n, 2·reach+1, 2·reach+1]`."""
        aperture, reach = self.aperture, self.reach(radius)
        bend = Bend(aperture, fields)
        steps = torch.arange(-reach, reach + 1, dtype=torch.float64, device=fields.device)
        dy, dx = torch.meshgrid(steps, steps, indexing="ij")
        x, y = bend.to_aperture(dx, dy)
        opening = self._softened(self._inside(radius, x, y, bend))
        coverage = opening
        if aperture.image is not None:
            coverage = torch.minimum(transmission(aperture, radius, reach, bend), opening)
        distance, steepness = torch.hypot(x, y), bend.steepness(x, y)
        if aperture.obstruction > 0:
            open_part = (opening - self._mirror(radius, distance, steepness)).clamp(min=0.0)
            coverage = coverage * open_part / opening.clamp(min=1e-12)
        if aperture.spherical_aberration:
            unit = max(radius, 1e-6)
            sign = -1.0 if in_front else 1.0
            coverage = coverage * brightness(
                sign * aperture.spherical_aberration, distance / unit, 0.5 * steepness / unit
            )
        return coverage

    def _inside(self, radius: float, x: Tensor, y: Tensor, bend: Bend) -> Tensor:
        """How far (px of the disc) places of the aperture lie inside the blades and the rim."""
        from_blades = radius * self.aperture.edge(x, y) - torch.hypot(x, y)
        inside = from_blades / bend.steepness(x, y)
        if not self.aperture.varies_over_field:
            return inside
        rim_x, rim_y = bend.from_rim(x, y, radius)
        from_rim = radius - torch.hypot(rim_x, rim_y)
        return torch.minimum(inside, from_rim / bend.steepness(rim_x, rim_y))

    def _softened(self, inside: Tensor) -> Tensor:
        """Coverage 0..1 of pixels that lie this far (px) inside an edge."""
        if self.edge == "linear":
            # Up to the TAF lens' least radius of half a pixel, a disc is a point.
            return (inside + 0.5).clamp(0.0, 1.0)
        if self.edge == "drbokeh":
            slope = torch.exp(-DRBOKEH_STEEPNESS * (inside + DRBOKEH_MARGIN))
            return DRBOKEH_SOFTNESS / (DRBOKEH_SOFTNESS + slope)
        return 0.5 + 0.5 * torch.tanh(4.0 * inside)

    def _mirror(self, radius: float, distance: Tensor, steepness: Tensor) -> Tensor:
        """What the secondary mirror covers; a mirror that is less than a pixel fades."""
        mirror = self.aperture.obstruction * radius
        return min(1.0, (2.0 * mirror) ** 2) * self._softened((mirror - distance) / steepness)

    def _iris_weight(self, radius: float) -> float:
        """The sum of the disc that blades alone, or a circle instead of an image, would make."""
        bare = CIRCLE if self.aperture.image is not None else self.aperture
        return _sum_of_iris(bare.blades, bare.rotation_degrees, bare.roundness, self.edge, radius)

    @cached_property
    def key(self) -> tuple[object, ...]:
        """Identity for caches."""
        return (self.aperture.key(), self.edge, self.weighting)

    @property
    def is_point_symmetric(self) -> bool:
        """Whether front and back blur look alike, and the disc's spectrum is real."""
        return self.aperture.is_point_symmetric


@lru_cache(maxsize=4096)
def _sum_of_iris(
    blades: int, rotation_degrees: float, roundness: float, edge: Edge, radius: float
) -> float:
    """Kept, because it is the same all over the field."""
    bare = BlurDisc(Aperture(blades, rotation_degrees, roundness), edge)
    return float(bare._coverage(radius, False, torch.zeros(1, 2, dtype=torch.float64)).sum())
