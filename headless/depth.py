"""Depth from pictures, and depth improved before it is rendered, for arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from ..lens.color import displayed
from ..lens.depth import Depth
from ..lens.depth_repair import repaired_depth
from ..lens.optics import Camera
from ..models.edge import handle
from ..models.places import AUTOMATIC
from .devices import device_called
from .estimation import estimated
from .render import Array, Map, opened, planar_map, scene_from


def estimate_depth(
    image: Array,
    model: str | Path = AUTOMATIC,
    *,
    camera: Camera | None = None,
    focal_length_px: float | Tensor | None = None,
    resolution: int | None = None,
    linear: bool = False,
    device: torch.device | str | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Depth:
    """Depth of pictures from a network whose weights are on this machine.

    The network stays in memory, so that frames can be given one by one.

    Args:
        image: `[H,W,3]` or `[B,H,W,3]` floats, sRGB-coded.
        model: name of a network or of a group of them ("depth-pro", "depth-anything-v2-small"; see
            `focuspuller models list`), a file or folder of weights, or "automatic".
        camera: that took the picture; its focal length makes the metres of Depth Pro and Metric3D
            right.
        focal_length_px: the same in px of the image, one or one per image.
        resolution: of the picture's shorter side in Depth Anything, px; 518 by default.
        linear: `image` is linear light.
        device: where to compute; by default CUDA if there is one.
        on_progress: called with the finished fraction, 0..1.

    Returns:
        Depth of the image's size on the image's device, metric or relative as the network gives it,
        with the focal length if it is given or estimated.

    Raises:
        InputError: another shape, NaN or infinite pixels, an unknown network, or two focal lengths.
        FileError: the weights are missing, damaged or another network's.
        MissingDependencyError: the network needs the library transformers, which is not installed.

    Example:
        >>> depth = estimate_depth(photo.image, "depth-pro")
        >>> frames = [(frame, estimate_depth(frame)) for frame in film]
    """
    if camera is not None and focal_length_px is not None:
        raise InputError("camera, focal_length_px", "both of them", "Give one of the two.")
    pictures, _ = opened(image)
    return estimated(
        pictures,
        model,
        camera=camera,
        focal_length_px=focal_length_px,
        resolution=resolution,
        linear=linear,
        device=device,
        on_progress=on_progress,
    )


def refine_depth(
    depth: Map | Depth | None,
    image: Array,
    *,
    disparity: Map | None = None,
    linear: bool = False,
    device: torch.device | str | None = None,
) -> Depth:
    """Put the edges of imperfect depth where the picture has them, with a small network.

    For estimated, soft, compressed, scaled, too wide or too narrow depth. Flat maps stay as they
    are, and so does a map that fits the picture.

    Args:
        depth: metres along the optical axis, `[H,W]` or `[B,H,W]`, or a `Depth`, of any size; None
            with `disparity`.
        image: `[H,W,3]` or `[B,H,W,3]` floats, sRGB-coded.
        disparity: relative disparity instead, larger is nearer.
        linear: `image` is linear light.
        device: where to compute; by default where the depth is.

    Returns:
        Depth of the image's size, for `render`.

    Raises:
        InputError: another shape, NaN or infinite pixels, or batches that do not fit.

    Example:
        >>> depth = refine_depth(photo.depth, photo.image)
    """
    pictures, _ = opened(image)
    scene = scene_from(depth, disparity).for_image(*pictures.shape[-2:])
    coded = displayed(pictures) if linear else pictures
    return handle.refine_depth(scene, coded, device_called(device))


def repair_depth(
    depth: Map | Depth | None,
    image: Array | None = None,
    *,
    disparity: Map | None = None,
    holes: Map | None = None,
    flying_pixels: bool = True,
    linear: bool = False,
) -> Depth:
    """Repair what sensors and resampling do to depth: holes, and pixels between two surfaces.

    Args:
        depth: metres along the optical axis, `[H,W]` or `[B,H,W]`, or a `Depth`; NaN, zero and
            negative values are holes. None with `disparity`.
        image: `[h,w,3]` or `[B,h,w,3]` floats, sRGB-coded, of any size: tells which side of a
            silhouette a hole belongs to. Without it, that is the farther side.
        disparity: relative disparity instead, larger is nearer; NaN is a hole.
        holes: `[h,w]` or `[B,h,w]`, more holes, where above 0.5.
        flying_pixels: move those on a ramp between two surfaces to the closer one.
        linear: `image` is linear light.

    Returns:
        Depth of the size of `depth`, for `render` or `refine_depth`.

    Raises:
        InputError: another shape, NaN or infinite pixels, batches that do not fit, nothing but
            holes.

    Example:
        >>> depth = repair_depth(scanned_metres, photo.image)
    """
    pictures = None if image is None else opened(image)[0]
    if pictures is not None and linear:
        pictures = displayed(pictures)
    mask = None if holes is None else planar_map(holes, "holes") > 0.5
    return repaired_depth(scene_from(depth, disparity), pictures, mask, flying_pixels)
