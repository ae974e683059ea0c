"""A view with detail everywhere, and photographs of it, to fit lenses to."""

from __future__ import annotations

import torch
from focuspuller.lens.color import linear_to_srgb
from focuspuller.lens.defocus import defocus_from_camera
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera
from focuspuller.lens.render import Lens, render
from torch import Tensor

from .scenes import photo as drawn


def texture(height: int, width: int, seed: int = 0) -> Tensor:
    """Linear light `[1,3,H,W]`: shapes and grain."""
    grain = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    shapes = torch.from_numpy(drawn(height, width, seed)).float()[None]
    return (0.5 * shapes + 0.5 * grain) ** 2


def slope(height: int, width: int, near_m: float = 1.0, far_m: float = 4.0) -> Depth:
    """Depth that runs evenly in disparity from far at the top to near at the bottom."""
    rows = torch.linspace(1.0 / far_m, 1.0 / near_m, height)
    return Depth.from_metric_disparity(rows[:, None].expand(height, width)[None, None])


def photographed(
    sharp: Tensor, depth: Depth, focus_m: float, camera: Camera, lens: str = "taf"
) -> Tensor:
    """Linear light `[1,3,H,W]`."""
    defocus = defocus_from_camera(depth, Focus.at_distance(focus_m), camera)
    return render(sharp, defocus, Lens(lens))


def as_array(linear: Tensor) -> Tensor:
    """sRGB-coded `[H,W,3]`, as files and nodes have it."""
    return linear_to_srgb(linear.clamp(0.0, 1.0))[0].movedim(0, -1).contiguous()
