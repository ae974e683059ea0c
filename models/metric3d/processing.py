"""Pictures onto the canvas that Metric3D sees, and what it says back onto the pictures, in metres.

The network takes every picture for one of a canonical camera. A picture that was scaled by `s`, of
a camera with focal length f (px), is nearer by 1000 / (f·s) to that camera than to the real one
(Metric3D, Yin et al. 2023, section 3.1: "label scale canonical transformation").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Height and width that the network was trained with.
CANVAS_PX = (616, 1064)
CANONICAL_FOCAL_LENGTH_PX = 1000.0
FARTHEST_M = 300.0
# Mean and deviation of the pictures it was trained with, in 8-bit values.
MEAN = (123.675, 116.28, 103.53)
DEVIATION = (58.395, 57.12, 57.375)
# What lies around a picture on the canvas: the mean, rounded as in 8-bit files.
SURROUND = (124.0, 116.0, 104.0)
# Angle along the longest edge that pictures of unknown cameras are taken to show: 35 mm film behind
# a 35 mm lens, between phones (about 70°) and portraits (about 30°).
DEFAULT_VIEW_DEG = 54.4


@dataclass(frozen=True)
class Placement:
    """Where a picture lies on the canvas: as large as it fits, in the middle.

    Args:
        height, width: the picture's size, px.
        canvas: height and width of the canvas, px.
    """

    height: int
    width: int
    canvas: tuple[int, int] = CANVAS_PX

    @property
    def scale(self) -> float:
        """Canvas pixels per pixel of the picture."""
        return min(self.canvas[0] / self.height, self.canvas[1] / self.width)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width on the canvas, px."""
        # At least 2: PyTorch reduces to a single column wrongly.
        return max(2, int(self.height * self.scale)), max(2, int(self.width * self.scale))

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """Pixels of the canvas above, below, left and right of the picture."""
        rows, columns = self.canvas[0] - self.size[0], self.canvas[1] - self.size[1]
        return rows // 2, rows - rows // 2, columns // 2, columns - columns // 2


def to_canvas(image: Tensor, placement: Placement) -> Tensor:
    """What the network takes.

    Reduced pictures are averaged, so that their noise does not grow; enlarged ones are as in the
    published code.

    Args:
        image: `[B,3,H,W]`, sRGB-coded 0..1; beyond that it is cut off.
        placement: of this size.

    Returns:
        `[B,3,*canvas]`, normalised.
    """
    coded = image.clamp(0.0, 1.0)
    picture = F.interpolate(
        coded, placement.size, mode="bilinear", align_corners=False, antialias=True
    )
    mean, deviation, surround = (
        torch.tensor(values, dtype=image.dtype, device=image.device)[:, None, None]
        for values in (MEAN, DEVIATION, SURROUND)
    )
    canvas = ((surround - mean) / deviation).repeat(len(image), 1, *placement.canvas)
    above, _, left, _ = placement.padding
    height, width = placement.size
    canvas[..., above : above + height, left : left + width] = (255.0 * picture - mean) / deviation
    return canvas


def from_canvas(maps: Tensor, placement: Placement) -> Tensor:
    """Maps `[B,C,*canvas]` cut to the picture, at its size: `[B,C,H,W]`."""
    above, _, left, _ = placement.padding
    height, width = placement.size
    cut = maps[..., above : above + height, left : left + width]
    size = [placement.height, placement.width]
    return F.interpolate(cut, size, mode="bilinear", align_corners=False)


def to_metres(canonical: Tensor, focal_length_px: float, scale: float) -> Tensor:
    """Depth as of the canonical camera to metres, no farther than `FARTHEST_M`.

    Args:
        canonical: depth of any shape.
        focal_length_px: of the picture at its own size.
        scale: from the picture to the canvas.
    """
    factor = focal_length_px * scale / CANONICAL_FOCAL_LENGTH_PX
    return (canonical * factor).clamp(0.0, FARTHEST_M)


def default_focal_length_px(height: int, width: int) -> float:
    """Focal length of a picture that shows `DEFAULT_VIEW_DEG`."""
    return 0.5 * max(height, width) / math.tan(math.radians(DEFAULT_VIEW_DEG) / 2)
