"""Soft edges of a mask from the picture: closed-form matting in a band around its outline.

Levin et al. 2008: where foreground and background vary little within a small window, opacity is an
affine function of the colours there, `α_i = a_k · I_i + b_k`. The opacity that comes closest to
that in all windows at once, with the known pixels held, minimises a quadratic form. Its gradient
takes nothing but means over windows (He et al. 2010), so that no matrix is ever stored.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .image import check_finite

# Windows of 3×3 px.
WINDOW_RADIUS = 1
# Colours that differ by less than the square root of this (0..1) are noise.
EPSILON = 1e-5
# A mask is taken to be sure of itself below and above these, away from its outline.
SURELY_OUT, SURELY_IN = 0.05, 0.95
# Bands up to this wide (px) are solved directly, wider ones from half the size.
DIRECT_RADIUS = 4
# How strongly the given mask counts where the picture leaves opacity open.
PULL = 5e-3
ITERATIONS = 60
TOLERANCE = 1e-4


def refined_mask(
    mask: Tensor,
    image: Tensor,
    radius: int = 10,
    on_progress: Callable[[float], None] | None = None,
) -> Tensor:
    """A mask whose outline has the opacity of what is in the picture: hair, fur, soft edges.

    Args:
        mask: `[B,1,H,W]`, 0..1, about right: its outline lies within `radius` of the true one.
        image: `[B,3,H,W]` or `[1,3,H,W]`, sRGB-coded 0..1, of the same size.
        radius: how far from the outline pixels are decided anew, px.
        on_progress: called with the finished fraction, 0..1.

    Returns:
        `[B,1,H,W]` float32, 0..1. Farther from the outline than `radius` it is the mask.

    Raises:
        InputError: sizes or batches do not fit, pixels are NaN, or the radius is below 1.
    """
    _check(mask, image, radius)
    results = []
    for index, one in enumerate(mask.float().clamp(0.0, 1.0).split(1)):
        picture = image[min(index, len(image) - 1)][None].to(one).clamp(0.0, 1.0)
        results.append(_in_band(one, picture, radius))
        if on_progress is not None:
            on_progress((index + 1) / len(mask))
    return torch.cat(results)


def _check(mask: Tensor, image: Tensor, radius: int) -> None:
    if image.shape[-2:] != mask.shape[-2:]:
        height, width = mask.shape[-2:]
        received = f"{image.shape[-1]}×{image.shape[-2]} px for a mask of {width}×{height} px"
        raise InputError("image", received, "Give the mask in the size of the image.")
    if len(image) not in (1, len(mask)):
        received = f"{len(image)} images for {len(mask)} masks"
        raise InputError("image", received, "Give one, or one per mask.")
    if radius < 1:
        raise InputError("radius", str(radius), "Give 1 px or more.")
    check_finite(image)
    check_finite(mask, "mask")


def _in_band(mask: Tensor, picture: Tensor, radius: int) -> Tensor:
    """The mask `[1,1,H,W]` with the band around its outline decided anew."""
    band = _band(mask, radius)
    if not bool(band.any()):
        return mask
    rows, columns = (_extent(band.any(dim=axis)[0, 0]) for axis in (3, 2))
    cut = (..., rows, columns)
    result = mask.clone()
    result[cut] = _solved(mask[cut], picture[cut], band[cut], radius)
    return result


def _band(mask: Tensor, radius: int) -> Tensor:
    """Where the mask changes within the radius, or is unsure of itself."""
    inside = (mask > 0.5).float()
    size = 2 * radius + 1
    near_inside = F.max_pool2d(inside, size, 1, radius)
    near_outside = F.max_pool2d(1.0 - inside, size, 1, radius)
    return (near_inside * near_outside > 0) | ((mask > SURELY_OUT) & (mask < SURELY_IN))


def _extent(is_used: Tensor) -> slice:
    """From the first to the last used place, and as far beyond as windows reach."""
    places = is_used.nonzero().flatten()
    margin = 2 * WINDOW_RADIUS
    return slice(max(0, int(places[0]) - margin), int(places[-1]) + margin + 1)


def _solved(mask: Tensor, picture: Tensor, band: Tensor, radius: int) -> Tensor:
    """Coarse to fine: information crosses a band of any width in a few steps."""
    start = mask
    if radius > DIRECT_RADIUS and min(mask.shape[-2:]) >= 4 * DIRECT_RADIUS:
        small, small_picture = (F.avg_pool2d(one, 2, ceil_mode=True) for one in (mask, picture))
        small_band = F.max_pool2d(band.float(), 2, ceil_mode=True) > 0
        coarse = _solved(small, small_picture, small_band, (radius + 1) // 2)
        doubled = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        height, width = mask.shape[-2:]
        start = torch.where(band, doubled[..., :height, :width], mask)
    return _minimised(start, _Affinity(picture), mask, band).clamp(0.0, 1.0)


class _Affinity:
    """The quadratic form of a picture: how far opacity is from affine in the colours."""

    def __init__(self, picture: Tensor) -> None:
        self.picture = picture
        self._mean = _mean(picture)
        self._windows = _sum(torch.ones_like(picture[:, :1]))
        products = picture[:, :, None] * picture[:, None]  # [1,3,3,H,W]
        means = self._mean[:, :, None] * self._mean[:, None]
        covariance = _mean(products.flatten(1, 2)).unflatten(1, (3, 3)) - means
        noise = EPSILON * torch.eye(3, device=picture.device)[None, :, :, None, None]
        # [1,H,W,3,3] and back
        inverse = torch.linalg.inv((covariance + noise).permute(0, 3, 4, 1, 2))
        self._inverse = inverse.permute(0, 3, 4, 1, 2)

    def gradient(self, opacity: Tensor) -> Tensor:
        """Half the gradient of the form at `[1,1,H,W]`: `Σ_k (α_i − a_k · I_i − b_k)`."""
        mean = _mean(opacity)
        covariance = _mean(opacity * self.picture) - mean * self._mean
        slope = (self._inverse * covariance[:, None]).sum(dim=2)  # a_k, [1,3,H,W]
        offset = mean - (slope * self._mean).sum(dim=1, keepdim=True)  # b_k
        fitted = (_sum(slope) * self.picture).sum(dim=1, keepdim=True) + _sum(offset)
        return self._windows * opacity - fitted


def _minimised(start: Tensor, affinity: _Affinity, mask: Tensor, free: Tensor) -> Tensor:
    """Conjugate gradients over the free pixels; the others stay as they are."""
    opacity = start.clone()
    pull = PULL * (opacity - mask)
    residual = torch.where(free, -affinity.gradient(opacity) - pull, 0.0)
    direction = residual
    size = residual.square().sum()
    enough = TOLERANCE**2 * free.sum()
    for _ in range(ITERATIONS):
        if float(size) <= float(enough):
            break
        change = torch.where(free, affinity.gradient(direction) + PULL * direction, 0.0)
        step = size / (direction * change).sum().clamp(min=1e-20)
        opacity = opacity + step * direction
        residual = residual - step * change
        size, before = residual.square().sum(), size
        direction = residual + size / before * direction
    return opacity


def _mean(values: Tensor) -> Tensor:
    """Over the windows, which are smaller at the border."""
    size = 2 * WINDOW_RADIUS + 1
    return F.avg_pool2d(values, size, 1, WINDOW_RADIUS, count_include_pad=False)


def _sum(values: Tensor) -> Tensor:
    """Over all windows that a pixel is in."""
    size = 2 * WINDOW_RADIUS + 1
    return F.avg_pool2d(values, size, 1, WINDOW_RADIUS, divisor_override=1)
