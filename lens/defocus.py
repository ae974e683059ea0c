"""From depth and focus to the defocus map: the signed blur radius of every pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .depth import Depth
from .focus import Focus
from .optics import Camera, camera_bokeh_level, signed_blur_radius


@dataclass(frozen=True)
class Defocus:
    """Signed blur radius of every pixel, for an image of the same size.

    Args:
        radius: `[B,1,H,W]` in px: positive in front of the focus plane, negative behind it.
    """

    radius: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in px."""
        return self.radius.shape[-2], self.radius.shape[-1]

    def resized(self, height: int, width: int) -> Defocus:
        """The same blur on another image size: resampled, and scaled with the longest edge."""
        if self.size == (height, width):
            return self
        scale = max(height, width) / max(self.size)
        resampled = F.interpolate(self.radius, (height, width), mode="bilinear")
        return replace(self, radius=resampled * scale)


def defocus_from_camera(
    depth: Depth, focus: Focus, camera: Camera, focus_scale: float | Tensor = 1.0
) -> Defocus:
    """Defocus of a real camera: the thin lens on metric depth.

    Args:
        depth: metric depth.
        focus: metric focus, one or one per image.
        camera: `image_width_px` may be None: then the depth map's longest edge counts.
        focus_scale: f_s of Fine-grained Defocus eq. 6, a number or `[B]`.

    Raises:
        InputError: depth or focus is relative, or the focus lies within the focal length.
    """
    if not depth.is_metric:
        raise InputError(
            "camera",
            "a camera with relative depth",
            "A camera needs metres: give the depth's near and far distance, or use bokeh_level.",
        )
    camera = camera.for_image(*depth.size)
    scale = torch.as_tensor(focus_scale)
    if not bool(((scale > 0) & torch.isfinite(scale)).all()):
        raise InputError("focus_scale", str(scale.tolist()), "Give a number above zero.")
    level = camera_bokeh_level(camera, focus.plane, scale)
    return defocus_from_bokeh_level(depth, focus, level)


def defocus_from_bokeh_level(depth: Depth, focus: Focus, level: float | Tensor) -> Defocus:
    """Defocus `K (δ − δ_f)`, zero inside the focus range.

    Args:
        depth: metric or relative.
        focus: of the same kind as `depth`, one or one per image.
        level: K in px per unit of the depth's disparity, a number or `[B]`, >= 0.

    Raises:
        InputError: focus and depth are of different kinds or number, or K is negative.
    """
    if depth.is_metric != focus.is_metric:
        kinds = ("metric", "relative") if depth.is_metric else ("relative", "metric")
        raise InputError(
            "focus",
            f"{kinds[0]} depth with {kinds[1]} focus",
            "Take the focus from this depth, or give it in the depth's unit.",
        )
    level = torch.as_tensor(level, dtype=depth.disparity.dtype, device=depth.disparity.device)
    if not bool(((level >= 0) & torch.isfinite(level)).all()):
        raise InputError("bokeh_level", str(level.tolist()), "Give a number, zero or more.")
    depths = depth.disparity.shape[0]
    batch = depths if depths > 1 else max(len(focus.plane), level.numel())
    if level.numel() not in (1, batch):
        received = f"{level.numel()} levels for {batch} images"
        raise InputError("bokeh_level", received, "Give one, or one per image.")
    disparity = depth.disparity.expand(batch, -1, -1, -1)
    sharp = focus.for_batch(batch).nearest_sharp(disparity)
    radius = signed_blur_radius(disparity, sharp, level.view(-1, 1, 1, 1))
    return Defocus(cast(torch.Tensor, radius))


def check_focus(
    focus: Callable[[Depth], Focus], strength: float | Camera, height: int, width: int
) -> None:
    """Refuse what no scene could be focused or blurred with, before its depth is known.

    Long work, such as that of a network, may lie between asking and knowing the depth.

    Args:
        focus: what shall be sharp, of the depth.
        strength: bokeh level or camera.
        height, width: of the picture in px.

    Raises:
        InputError: a place outside of the picture, an empty mask, a strength below zero and the
            like.
    """
    # As far as can be: within the focal length of no lens.
    scene = Depth(torch.zeros(1, 1, height, width), is_metric=True)
    plane = focus(scene)
    scene = replace(scene, is_metric=plane.is_metric)
    if isinstance(strength, Camera):
        defocus_from_camera(scene, plane, strength)
    else:
        defocus_from_bokeh_level(scene, plane, strength)


IN_FRONT = (1.0, 0.45, 0.1)
BEHIND = (0.15, 0.5, 1.0)


def colorize_defocus(defocus: Defocus) -> Tensor:
    """Picture of a defocus map: orange in front of the focus, blue behind it, white where sharp.

    Colour grows with the square root of the radius, up to the largest of the batch, so that the
    first pixels of blur show.

    Returns:
        `[B,3,H,W]`, sRGB 0..1, stored pixel by pixel: as `[B,H,W,3]` it needs no copy.
    """
    batch, _, height, width = defocus.radius.shape
    low, high = torch.aminmax(defocus.radius.float())
    largest = torch.maximum(-low, high).clamp(min=1.0)
    pixels = defocus.radius.new_empty((batch, height, width, 3), dtype=torch.float32)
    picture = pixels.movedim(-1, 1)
    for index in range(batch):  # one by one: beside the result, memory does not grow with it
        picture[index] = _colorized(defocus.radius[index].float(), largest)
    return picture


def _colorized(radius: Tensor, largest: Tensor) -> Tensor:
    """`[3,H,W]` of one map `[1,H,W]`."""
    strength = (radius.abs() / largest).sqrt()
    front, behind = (radius.new_tensor(color).view(3, 1, 1) for color in (IN_FRONT, BEHIND))
    hue = torch.where(radius > 0, front, behind)
    return torch.lerp(torch.ones_like(hue), hue, strength)
