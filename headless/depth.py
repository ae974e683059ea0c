"""Depth improved by the picture it belongs to, for arrays."""

from __future__ import annotations

import torch

from ..lens.color import linear_to_srgb
from ..lens.depth import Depth
from ..models.edge import handle
from .devices import device_called
from .render import Array, Map, opened, scene_from


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
    coded = linear_to_srgb(pictures.clamp(0.0, 1.0)) if linear else pictures
    return handle.refine_depth(scene, coded, device_called(device))
