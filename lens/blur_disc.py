"""Blur discs: the footprint on the image of one point of light, at any blur radius."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from ..errors import InputError
from .aperture import CIRCLE, Aperture

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

    Args:
        aperture: shape of the disc.
        edge: "linear" falls from 1 to 0 over one pixel around the radius (TAF lens), "tanh" is
            BokehMe's `0.5 + 0.5 tanh(4 (r - d))`, "drbokeh" is Dr.Bokeh's
            `0.1 / (0.1 + exp(-3 (r + 1 - d)))`.
        weighting: "energy" makes every disc sum to 1; "bokehme" divides by `r² + 0.2`, whose sum
            swings between 1.96 and 3.40 for radii below 2 px; "drbokeh" divides by `(r + 1)²`,
            whose sum grows from 1.19 to 3.
    """

    aperture: Aperture = field(default=CIRCLE)
    edge: Edge = "tanh"
    weighting: Weighting | Literal["drbokeh"] = "energy"

    def reach(self, radius: float) -> int:
        """Pixels from the centre that a disc of this radius can touch."""
        return int(radius) + (DRBOKEH_TAIL if self.edge == "drbokeh" else 1)

    def draw(self, radius: float) -> Tensor:
        """One disc, as seen in the background, i.e. upright.

        Args:
            radius: px, >= 0.

        Returns:
            `[2·reach+1, 2·reach+1]` float32, the point at the centre.
        """
        coverage = self._coverage(radius)
        if float(coverage.sum()) <= 0:
            raise InputError(
                "aperture image",
                "a shape that its rotation turns out of its square",
                "Draw it around the middle, or turn it less.",
            )
        if self.weighting == "bokehme":
            return (coverage / (radius * radius + 0.2)).float()
        if self.weighting == "drbokeh":
            return (coverage / (radius + DRBOKEH_MARGIN) ** 2).float()
        return (coverage / coverage.sum()).float()

    def _coverage(self, radius: float) -> Tensor:
        """Disc of weight 1 inside, `[2·reach+1, 2·reach+1]`."""
        reach = self.reach(radius)
        if self.aperture.image is not None:
            return self.aperture.drawn_image(radius, reach)
        steps = torch.arange(-reach, reach + 1, dtype=torch.float64)
        dy, dx = torch.meshgrid(steps, steps, indexing="ij")
        inside = radius * self.aperture.edge(dx, dy) - torch.hypot(dx, dy)
        if self.edge == "linear":
            # Up to the TAF lens' least radius of half a pixel, this is a point.
            return (inside + 0.5).clamp(0.0, 1.0)
        if self.edge == "drbokeh":
            slope = torch.exp(-DRBOKEH_STEEPNESS * (inside + DRBOKEH_MARGIN))
            return DRBOKEH_SOFTNESS / (DRBOKEH_SOFTNESS + slope)
        return 0.5 + 0.5 * torch.tanh(4.0 * inside)

    @cached_property
    def key(self) -> tuple[object, ...]:
        """Identity for caches."""
        return (self.aperture.key(), self.edge, self.weighting)

    @property
    def is_point_symmetric(self) -> bool:
        """Whether front and back blur look alike, and the disc's spectrum is real."""
        return self.aperture.is_point_symmetric
