"""Depth that sensors and resampling have spoiled, made fit for rendering: holes, flying pixels."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .depth import Depth
from .depth_edges import hardened_in_blocks
from .depth_holes import filled_from_behind
from .image import check_finite

# The range of a map is taken as this many px of blur where flying pixels are looked for: they lie
# between surfaces that are more than 1/24 of the range apart, on ramps steeper than 1/192 per px.
RANGE_PX = 48.0


def repaired_depth(
    depth: Depth,
    image: Tensor | None = None,
    holes: Tensor | None = None,
    flying_pixels: bool = True,
) -> Depth:
    """Fill what was not measured, and remove what hangs between two surfaces.

    Args:
        depth: metric or relative. Its own holes have been filled without an image; they are filled
            again if there is one.
        image: `[B,3,h,w]` or `[1,3,h,w]`, sRGB-coded 0..1, of any size: tells which side of a
            silhouette a hole belongs to. Several images for a single depth give several depths.
        holes: `[B,1,h,w]` or `[1,1,h,w]` bool, of any size: where the depth is not to be believed,
            beside its own holes.
        flying_pixels: remove them: pixels on a ramp between two surfaces, as resampling and
            scanners make them, go to the surface that is closer in depth.

    Returns:
        Depth of the same kind and size, without holes.

    Raises:
        InputError: batches do not fit, NaN in the image, or nothing but holes.
    """
    disparity, height, width = depth.disparity, *depth.size
    count = _count(depth, image, holes)
    unknown = _resized(holes, depth) | _resized(depth.holes, depth)
    disparity, unknown = (values.expand(count, -1, -1, -1) for values in (disparity, unknown))
    if not bool((~unknown).flatten(1).any(dim=1).all()):
        raise InputError("holes", "a mask of the whole picture", "Leave some depth to go on from.")
    if bool(unknown.any()) and (image is not None or holes is not None):
        guide = None
        if image is not None:
            check_finite(image)
            guide = F.interpolate(image.to(disparity), (height, width), mode="area")
            guide = guide.expand(count, -1, -1, -1)
        disparity = filled_from_behind(disparity, ~unknown, guide)
    if flying_pixels:
        disparity = without_flying_pixels(disparity)
    return replace(depth.with_disparity(disparity), holes=None)


def without_flying_pixels(disparity: Tensor) -> Tensor:
    """Give pixels on a short steep ramp between two surfaces the depth of the closer one.

    Args:
        disparity: `[B,1,H,W]`.
    """
    span = (
        disparity.amax((1, 2, 3), keepdim=True) - disparity.amin((1, 2, 3), keepdim=True)
    ).clamp(min=1e-9)
    return hardened_in_blocks(disparity * (RANGE_PX / span)) * (span / RANGE_PX)


def _count(depth: Depth, image: Tensor | None, holes: Tensor | None) -> int:
    counts = {"depth": len(depth.disparity)}
    counts |= {
        name: len(maps) for name, maps in (("image", image), ("holes", holes)) if maps is not None
    }
    most = max(counts.values())
    for name, count in counts.items():
        if count not in (1, most):
            raise InputError(name, f"{count} for {most}", "Give one for all, or one each.")
    return most


def _resized(holes: Tensor | None, depth: Depth) -> Tensor:
    """Holes at the depth's size: what is a hole in part is one."""
    if holes is None:
        return torch.zeros_like(depth.disparity, dtype=torch.bool)
    if holes.shape[-2:] == depth.size:
        return holes.to(depth.disparity.device)
    return F.interpolate(holes.to(depth.disparity), depth.size, mode="area") > 0
