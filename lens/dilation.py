"""The largest of what is around each pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def dilated(values: Tensor, reach: int) -> Tensor:
    """The largest of the values in the square of `2 · reach + 1` px around each pixel.

    Args:
        values: `[...,H,W]` float or bool: a mask grows.
        reach: px.
    """
    beyond = -torch.inf if values.is_floating_point() else 0
    for axis in (-2, -1):
        margin = (reach, reach) if axis == -1 else (0, 0, reach, reach)
        values, span = F.pad(values, margin, value=beyond), 1
        # Twice as far with every step, instead of pixel by pixel.
        while span < 2 * reach + 1:
            step = min(span, 2 * reach + 1 - span)
            length = values.shape[axis] - step
            values = torch.maximum(
                values.narrow(axis, 0, length), values.narrow(axis, step, length)
            )
            span += step
    return values
