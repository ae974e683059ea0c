"""An all-in-focus picture and its photograph, as they are compared: one size, coded values."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ..color import displayed

# Longest edges of the pictures that are compared, px. The last ones are only needed where the blur
# is small: it is measured well once its largest radius is this many px.
START_SIDE = 256
SIDES = (512, 1024, 2048)
ENOUGH_RADIUS_PX = 10.0

# The largest radius that is looked for, as a fraction of the longest edge.
LARGEST_RADIUS = 0.2
# Up to this radius the TAF lens leaves a pixel alone.
LEAST_RADIUS_PX = 0.5


@dataclass(frozen=True)
class Pair:
    """The same view twice, at one size.

    Args:
        sharp: all in focus, linear light `[1,3,H,W]`.
        photo: with blur, sRGB-coded 0..1 `[1,3,H,W]`.
        disparity: `[1,1,H,W]`.
    """

    sharp: Tensor
    photo: Tensor
    disparity: Tensor

    @classmethod
    def of(cls, sharp: Tensor, photo: Tensor, disparity: Tensor, side: int | None = None) -> Pair:
        """Scaled down to a longest edge; all images linear light."""
        height, width = sharp.shape[-2:]
        scale = min(1.0, (side or max(height, width)) / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        if size != (height, width):
            sharp, photo = (
                F.interpolate(image, size, mode="bilinear", antialias=True)
                for image in (sharp, photo)
            )
        # Averaged over an edge, disparity would be that of neither side.
        disparity = F.interpolate(disparity, size, mode="nearest-exact")
        return cls(sharp, displayed(photo), disparity)

    @property
    def side(self) -> int:
        """Longest edge, px."""
        return max(self.sharp.shape[-2:])


def side_for(largest_radius: float, longest: int) -> int:
    """Longest edge of the pictures in which a blur is measured well, px.

    Args:
        largest_radius: as a fraction of the longest edge.
        longest: that of the given pictures, px; they are not enlarged.
    """
    enough = (side for side in SIDES if largest_radius * side >= ENOUGH_RADIUS_PX)
    return min(next(enough, SIDES[-1]), longest)
