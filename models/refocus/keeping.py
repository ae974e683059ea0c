"""Which pixels a change of focus leaves as they are, and how they are kept."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ...lens.defocus import Defocus
from ...lens.dilation import dilated

# Blur radii, px, up to which a pixel stays as it is, and from which on it is the network's alone.
# A disc of half a pixel lies within its pixel.
SHARP, BLURRED = 0.5, 1.5
# Discs whose radii differ by no more than this factor are spread together.
LEVEL = 1.5
# Width of the softened outline of what discs in front cover, px.
SOFT_OUTLINE = 9


def changed_by(defocus: Defocus) -> Tensor:
    """How much each pixel is changed by blur.

    A pixel changes if it is out of focus, or if a disc from something nearer, out of focus in
    front of it, covers it. Behind a sharp pixel nothing shows.

    Args:
        defocus: at the picture's size.

    Returns:
        `[B,1,H,W]`, exactly 0 where nothing changes, to 1.
    """
    own = _ramp(defocus.radius.abs())
    return torch.maximum(own, _softened(_covered(defocus.radius)))


def kept(original: Tensor, result: Tensor, changed: Tensor) -> Tensor:
    """The result where something changes, the original's very pixels where nothing does.

    Args:
        original: `[B,C,H,W]`.
        result: of the same shape.
        changed: `[B,1,H,W]`, 0..1.
    """
    mixed = torch.lerp(original, result, changed.expand_as(original))
    return torch.where(changed > 0, mixed, original)


def _ramp(radius: Tensor) -> Tensor:
    """0 for a sharp pixel to 1 for a blurred one, without a kink."""
    along = ((radius - SHARP) / (BLURRED - SHARP)).clamp(0.0, 1.0)
    return along * along * (3.0 - 2.0 * along)


def _covered(radius: Tensor) -> Tensor:
    """Which pixels discs in front of the focus reach, and a few more."""
    covered = torch.zeros_like(radius)
    least, largest = BLURRED, float(radius.amax())
    while least <= largest:
        discs = (radius >= least) & (radius < LEVEL * least)
        if bool(discs.any()):
            reach = math.ceil(float(radius[discs].amax())) + 1
            covered = torch.maximum(covered, dilated(discs, reach).to(covered))
        least *= LEVEL
    return covered


def _softened(mask: Tensor) -> Tensor:
    """With an outline that fades; what is far from it stays 0 or 1."""
    margin = SOFT_OUTLINE // 2
    return avg_pool2d(mask, SOFT_OUTLINE, stride=1, padding=margin, count_include_pad=False)
