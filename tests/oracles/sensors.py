"""What depth sensors do to exact disparity `[1,1,H,W]`, larger = nearer."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def seen_by_two_cameras(disparity: Tensor, largest_shift: float = 12.0) -> Tensor:
    """Where the right one of two cameras sees what the left one does: all but the shadows.

    Args:
        disparity: as the left camera sees it.
        largest_shift: of the nearest point against the farthest, px.
    """
    nearness = disparity[0, 0]
    low, high = nearness.aminmax()
    columns = torch.arange(nearness.shape[1]) - largest_shift * (nearness - low) / (high - low)
    place = columns.round().long().clamp(0, nearness.shape[1] - 1)
    in_front = torch.zeros_like(nearness).scatter_reduce(1, place, nearness, "amax")
    hidden_by = in_front.gather(1, place) - nearness
    return (hidden_by < 0.02 * (high - low))[None, None]


def without_dropouts(disparity: Tensor, seed: int = 0) -> Tensor:
    """Where a sensor measures anything: not on reflections and other spots, and not everywhere."""
    random = np.random.default_rng(seed)
    spots = torch.from_numpy((random.random(disparity.shape) < 2e-4).astype(np.float32))
    is_spot = F.max_pool2d(spots, 9, stride=1, padding=4) > 0
    return ~is_spot & torch.from_numpy(random.random(disparity.shape) > 0.05)


def scaled_anew(disparity: Tensor, seed: int = 0) -> list[Tensor]:
    """Relative disparity of eight frames that stand still, each with a scale of its own."""
    random = np.random.default_rng(seed)
    low, high = disparity.aminmax()
    relative = 0.2 + 0.6 * (disparity - low) / (high - low)
    gains, offsets = random.uniform(0.8, 1.2, 8), random.uniform(-0.1, 0.1, 8)
    gains[0], offsets[0] = 1.0, 0.0
    return [
        (relative * float(gain) + float(offset)).clamp(0.0, 1.0)
        for gain, offset in zip(gains, offsets, strict=True)
    ]
