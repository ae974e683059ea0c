"""The blur radii of the layers, and how far apart they are before one hides another."""

from __future__ import annotations

import torch
from torch import Tensor

from ..layered_fft import ladder

# Layers have a finer ladder than a mere blur would need: they tell what is in front of what.
GROWTH = 1.08
# What is hidden is only guessed, and a coarser one does.
HIDDEN_GROWTH = 1.12
# A surface hides what is farther by more than this, px of blur radius, or by more than this share
# of the farther one's radius. A surface between two layers is in both, which must not hide each
# other: the share is a little more than a step of the ladder.
LEAST_GAP = 1.25
RELATIVE_GAP = GROWTH - 0.995


class Ladder:
    """Signed blur radii (px) of the layers, from the farthest to the nearest.

    Args:
        max_radius: of the widest blur in the picture, px.
        growth: from one wide layer to the next.
    """

    def __init__(self, max_radius: float, growth: float = GROWTH) -> None:
        radii = ladder(max_radius, growth)
        self.largest = radii[-1]
        self.signed = [*(-radius for radius in radii[:0:-1]), *radii]

    def position(self, radius: Tensor) -> Tensor:
        """Real-valued index of each pixel in `signed`."""
        steps = torch.tensor(self.signed).to(radius)
        below = torch.searchsorted(steps, radius.contiguous(), right=True) - 1
        below = below.clamp(0, len(steps) - 2)
        return below + (radius - steps[below]) / (steps[below + 1] - steps[below])


def hides(near: float, far: float) -> bool:
    """Whether a layer hides another, by their signed blur radii, px."""
    return near > far + max(LEAST_GAP, RELATIVE_GAP * abs(far))


def gap_before(radius: Tensor) -> Tensor:
    """How much nearer than surfaces something has to be to hide them, px of blur radius."""
    return (RELATIVE_GAP * radius.abs()).clamp_(min=LEAST_GAP)
