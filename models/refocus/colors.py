"""Colours as they were: what FLUX' autoencoder and many denoising steps shift a little.

The shift is smooth and weak, but in a film or beside the original it shows. Blur moves light, it
does not make any: averaged over a neighbourhood wider than the blur, the light of a picture and of
the same picture refocused is equal. Where it is not, the difference is drift and taken out.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ...lens.color import linear_to_srgb, srgb_to_linear

# Averages are taken on a small copy with this longer side, px, ...
THUMBNAIL = 64
# ... with a Gaussian of this deviation: a sixteenth of the picture.
REACH = 4.0
# More than this is no drift but another picture: it stays.
MOST_GAIN = 1.1
# Brighter pixels may be clipped, and hide how much light there was.
CLIPPED = 0.98
# How much of the average over the whole picture is mixed into each neighbourhood's, so that
# neighbourhoods in which nothing counts follow the rest.
SHARE_OF_ALL = 0.01


def without_drift(result: Tensor, reference: Tensor, weight: Tensor | None = None) -> Tensor:
    """A result with the colours of its reference, neighbourhood by neighbourhood.

    Each channel of linear light is multiplied by a smooth field, so black stays black and fine
    detail stays as sharp as it is.

    Args:
        result: `[B,3,H,W]` sRGB-coded 0..1.
        reference: of the same shape.
        weight: `[B,1,H,W]`, 0..1: where both should be equal, on average; everywhere if None.

    Returns:
        `[B,3,H,W]` sRGB-coded 0..1.
    """
    light, wanted = srgb_to_linear(result), srgb_to_linear(reference)
    brightest = torch.maximum(result, reference).amax(1, keepdim=True)
    counts = (brightest < CLIPPED).to(result)
    if weight is not None:
        counts = counts * weight
    gain = (_averages(counts * wanted) / _averages(counts * light)).nan_to_num(1.0, 1.0, 1.0)
    gain = gain.clamp(1.0 / MOST_GAIN, MOST_GAIN)
    gain = F.interpolate(gain, result.shape[-2:], mode="bicubic", align_corners=False)
    return linear_to_srgb((light * gain).clamp(0.0, 1.0))


def _averages(light: Tensor) -> Tensor:
    """Neighbourhood averages on a small copy, a little towards that of the whole."""
    height, width = light.shape[-2:]
    scale = min(1.0, THUMBNAIL / max(height, width))
    small = F.adaptive_avg_pool2d(
        light, (max(1, round(height * scale)), max(1, round(width * scale)))
    )
    everything = small.mean((-2, -1), keepdim=True)
    smooth = _smoothed(_smoothed(small, -1), -2)
    return torch.lerp(smooth, everything, SHARE_OF_ALL)


def _smoothed(values: Tensor, axis: int) -> Tensor:
    """A Gaussian along an axis. Beyond the picture there is nothing, in both that are divided."""
    places = torch.arange(values.shape[axis], device=values.device, dtype=values.dtype)
    weights = torch.exp(-((places[:, None] - places) ** 2) / (2.0 * REACH**2))
    weights = weights / (math.sqrt(2.0 * math.pi) * REACH)
    return (values.movedim(axis, -1) @ weights).movedim(-1, axis)
