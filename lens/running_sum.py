"""Sums of neighbours along a row or a column."""

from __future__ import annotations

import torch
from torch import Tensor


def running_sum(values: Tensor, length: int, axis: int) -> Tensor:
    """Sum over each `length` neighbours along an axis, which is shorter by `length - 1` then.

    Doubled step by step: fast for long ones.
    """
    count = values.shape[axis] - length + 1
    total = torch.zeros_like(values.narrow(axis, 0, count))
    start, width = 0, 1
    while True:
        if length & width:
            total = total + values.narrow(axis, start, count)
            start += width
        if 2 * width > length:
            return total
        shorter = values.shape[axis] - width
        values = values.narrow(axis, 0, shorter) + values.narrow(axis, width, shorter)
        width *= 2
