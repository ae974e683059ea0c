"""Fill the gaps of a map from what is around them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pull_push(values: Tensor, weight: Tensor, levels: int | None = None) -> Tensor:
    """Fill the pixels without weight smoothly from those with.

    Args:
        values: `[B,C,H,W]`, zero where there is no weight.
        weight: `[B,1,H,W]`, 1 where a value is known, else 0.
        levels: fills only pixels that are about `2 ** levels` px from a known one, and leaves the
            others 0. None fills all; then a value must be known somewhere in each image.
    """
    if levels == 0 or bool((weight > 0).all()):
        return values
    sums = F.avg_pool2d(values * weight, 2, ceil_mode=True)
    coverage = F.avg_pool2d(weight, 2, ceil_mode=True)
    means = sums / coverage.clamp(min=1e-12)
    left = None if levels is None else levels - 1
    coarse = pull_push(means, (coverage > 0).to(values.dtype), left)
    # Twice the size exactly, also where an odd size was rounded up: cells stay where they are.
    doubled = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    filled = doubled[..., : values.shape[-2], : values.shape[-1]]
    return torch.where(weight > 0, values, filled)
