"""The shape of the aperture, which is the shape of every blur disc."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError

MAX_BLADES = 20
# Samples per pixel and axis when an aperture image is drawn at a blur radius.
IMAGE_SAMPLES = 8
# Below this radius (px) any aperture is a point.
POINT_RADIUS = 0.2


@dataclass(frozen=True, eq=False)
class Aperture:
    """An iris of blades or an arbitrary shape.

    Args:
        blades: number of straight blades, 3..20; 0 is a perfect circle.
        rotation_degrees: counter-clockwise rotation as seen in the blurred background.
        roundness: 0 straight blades, 1 a circle.
        image: `[h,w]` transmission 0..1 of an arbitrary shape, upright as it appears in the
            background's bokeh; half its longer side is the blur radius. Replaces the blades.
            Corners that a rotation turns out of its square are cut off.

    Raises:
        InputError: blade count, rotation or roundness out of range; an image that is empty or not
            2-D.
    """

    blades: int = 0
    rotation_degrees: float = 0.0
    roundness: float = 0.0
    image: Tensor | None = None

    def __post_init__(self) -> None:
        if self.blades != 0 and not 3 <= self.blades <= MAX_BLADES:
            raise InputError("blades", str(self.blades), f"Give 0 (circle) or 3..{MAX_BLADES}.")
        if not 0.0 <= self.roundness <= 1.0:
            raise InputError("roundness", str(self.roundness), "Give 0 (straight) to 1 (circle).")
        if not math.isfinite(self.rotation_degrees):
            raise InputError("rotation_degrees", str(self.rotation_degrees), "Give degrees.")
        if self.image is not None:
            self._check_image(self.image)

    @staticmethod
    def _check_image(image: Tensor) -> None:
        if image.ndim != 2:
            raise InputError("aperture image", f"shape {tuple(image.shape)}", "Give one [h,w] map.")
        if not bool(torch.isfinite(image).all()) or float(image.clamp(min=0).sum()) <= 0:
            raise InputError(
                "aperture image", "an image without light", "Draw the shape in white on black."
            )

    @property
    def is_circle(self) -> bool:
        """Whether this is the plain disc."""
        return self.image is None and (self.blades == 0 or self.roundness == 1.0)

    @property
    def is_point_symmetric(self) -> bool:
        """Whether a half turn leaves it unchanged, so that front and back blur look alike."""
        return self.is_circle or (self.image is None and self.blades % 2 == 0)

    def key(self) -> tuple[object, ...]:
        """Identity for caches: equal keys draw equal shapes."""
        pixels = (
            None if self.image is None else (self.image.shape, self.image.cpu().numpy().tobytes())
        )
        return (self.blades, self.rotation_degrees, self.roundness, pixels)

    def edge(self, dx: Tensor, dy: Tensor) -> Tensor:
        """Distance from centre to rim in direction (dx, dy), for a blur radius of 1.

        A regular polygon whose corners lie on the circle, blended towards it by `roundness`.
        """
        if self.is_circle:
            return torch.ones_like(dx)
        sector = 2.0 * math.pi / self.blades
        angle = torch.atan2(-dy, dx) - math.radians(self.rotation_degrees) - math.pi / 2.0
        from_middle = torch.remainder(angle, sector) - sector / 2.0
        polygon = math.cos(sector / 2.0) / torch.cos(from_middle)
        return torch.lerp(polygon, torch.ones_like(polygon), self.roundness)

    def drawn_image(self, radius: float, reach: int) -> Tensor:
        """The aperture image at a blur radius, area-sampled.

        Args:
            radius: px.
            reach: the result spans `-reach..reach` px.

        Returns:
            `[2·reach+1, 2·reach+1]` coverage 0..1 (a point for radii below 0.2 px).
        """
        assert self.image is not None
        side = 2 * reach + 1
        if radius < POINT_RADIUS:
            point = torch.zeros(side, side)
            point[reach, reach] = 1.0
            return point
        shape = self._antialiased(radius)
        steps = (torch.arange(side * IMAGE_SAMPLES) + 0.5) / IMAGE_SAMPLES - side / 2.0
        turn = math.radians(self.rotation_degrees)
        y, x = torch.meshgrid(steps / radius, steps / radius, indexing="ij")
        u = math.cos(turn) * x - math.sin(turn) * y
        v = math.sin(turn) * x + math.cos(turn) * y
        height, width = self.image.shape
        longest = max(height, width)
        grid = torch.stack([u * longest / width, v * longest / height], dim=-1)[None]
        samples = F.grid_sample(shape[None, None], grid, mode="bilinear", align_corners=False)
        return F.avg_pool2d(samples, IMAGE_SAMPLES)[0, 0]

    def _antialiased(self, radius: float) -> Tensor:
        """The image shrunk to what sampling at this radius can see."""
        assert self.image is not None
        shape = self.image.float().cpu().clamp(0.0, 1.0)
        scale = 2 * radius * IMAGE_SAMPLES / max(shape.shape)
        if scale >= 1:
            return shape
        size = [max(1, math.ceil(side * scale)) for side in shape.shape]
        return F.interpolate(shape[None, None], size, mode="bilinear", antialias=True)[0, 0]


CIRCLE = Aperture()
