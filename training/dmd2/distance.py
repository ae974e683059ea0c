"""How far two sets of samples are from each other, without any network."""

from __future__ import annotations

import torch
from torch import Tensor


def energy_distance(made: Tensor, real: Tensor) -> float:
    """Energy distance of two sets: 2 E|X − Y| − E|X − X'| − E|Y − Y'| (Székely and Rizzo 2013).

    Not negative in the mean, and zero where both come from one distribution. Distances are those
    of the vectors over the square root of their length.

    Args:
        made, real: `[N,...]`, two or more of each.

    Example:
        >>> energy_distance(torch.tensor([[0.0], [0.0]]), torch.tensor([[3.0], [3.0]]))
        6.0
    """
    x, y = (one.flatten(1).double() for one in (made, real))
    between = torch.cdist(x, y).mean()
    within = sum(_mean_distance(one) for one in (x, y))
    return float((2.0 * between - within) / x.shape[1] ** 0.5)


def _mean_distance(values: Tensor) -> Tensor:
    """Of different ones of a set."""
    count = len(values)
    return torch.cdist(values, values).sum() / (count * (count - 1))
