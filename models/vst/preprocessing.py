"""What VST is shown of a picture and its depth, and its answer at the picture's size."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...lens.depth import Depth

# ImageNet's colours, which VST uses for depth as well.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def network_image(image: Tensor, side: int) -> Tensor:
    """Pictures as VST is shown them: squeezed into a square, whatever their shape.

    Args:
        image: `[B,3,H,W]` sRGB-coded; what is brighter than 1 counts as white.
        side: of the square, px.

    Returns:
        `[B,3,side,side]`, normalised.
    """
    return _normalised(resampled(image.clamp(0.0, 1.0), side, side))


def network_depth(depth: Depth, side: int) -> Tensor:
    """Depth as VST is shown it: dark where near, bright where far, over the full range.

    So are the depth maps that it was trained and published with (NJUD, NLPR, DUTLF-Depth,
    ReDWeb-S). Most come from stereo or light fields, so that grey is linear in disparity; what is
    infinitely far is just the brightest. The range is taken after scaling down, so that single
    wrong pixels do not set it.

    Args:
        depth: metric or relative, which makes no difference.
        side: of the square, px.

    Returns:
        `[B,3,side,side]`, normalised.
    """
    disparity = resampled(depth.disparity, side, side)
    near = disparity.amax(dim=(-2, -1), keepdim=True)
    far = disparity.amin(dim=(-2, -1), keepdim=True)
    grey = (near - disparity) / (near - far).clamp(min=1e-12)
    return _normalised(grey.expand(-1, 3, -1, -1))


def saliency_at(logits: Tensor, height: int, width: int) -> Tensor:
    """How salient each pixel of the picture is.

    Args:
        logits: VST's, `[B,1,S,S]`.
        height: of the picture, px.
        width: likewise.

    Returns:
        `[B,1,height,width]`, 0..1.
    """
    return resampled(logits.sigmoid(), height, width)


def resampled(values: Tensor, height: int, width: int) -> Tensor:
    """`[B,C,h,w]` to `[B,C,height,width]`: bilinear, averaging where it becomes smaller."""
    if values.shape[-2:] == (height, width):
        return values
    return F.interpolate(values, (height, width), mode="bilinear", antialias=True)


def _normalised(pixels: Tensor) -> Tensor:
    mean, deviation = (
        torch.tensor(each, dtype=pixels.dtype, device=pixels.device).view(3, 1, 1)
        for each in (MEAN, DEVIATION)
    )
    return (pixels - mean) / deviation
