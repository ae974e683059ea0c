"""What reaches every pixel through what is in front of it."""

from __future__ import annotations

import math
from collections import deque

import torch
from torch import Tensor

from ..window import Window
from .background import LEAST_GAP

# On a slope, layers within this share of the blur radius of each other are one surface, at most.
SLOPE_GAP = 0.4
# Discs of a slope's pixels do not quite add up to one. What they leave open by less is closed.
LEAST_OPENING = 0.04
# Where nothing reaches a pixel (a ring-shaped aperture), it keeps its own light.
LEAST_WEIGHT = 1e-3


class Film:
    """What has reached every pixel so far, and how much of the lens is covered; near to far.

    A layer hides another that is farther by a gap. On a slope the gap is the change of radius over
    one disc, for what lies within it is one surface and does not hide itself. So the cover is kept
    for gaps of LEAST_GAP, of twice as much and so on.
    """

    def __init__(self, slope: Tensor, channels: int, max_radius: float) -> None:
        self.slope = slope
        self.total = slope.new_zeros(channels + 1, *slope.shape[-2:])
        widest = max(1.0, SLOPE_GAP * max_radius / LEAST_GAP)
        count = math.ceil(math.log2(widest)) + 1
        self.covers = [_Cover(LEAST_GAP * 2**index, slope) for index in range(count)]

    def expose(self, radius: float, spread: Tensor, window: Window) -> None:
        """Add a layer `[C+1 or C+2,h,w]` to the extent that it shows, then let it cover."""
        widest = max(1.0, SLOPE_GAP * abs(radius) / LEAST_GAP)
        count = math.ceil(math.log2(widest)) + 1
        covered = [window.of(cover.in_front_of(radius)) for cover in self.covers[:count]]
        gap = 1.0 + window.of(self.slope) * (abs(radius) / LEAST_GAP)
        opening = _opening(covered, gap.clamp_(max=widest).log2_())
        window.of(self.total).addcmul_(spread[: len(self.total)], opening)
        coverage = spread[-1:].clone()  # It waits, and the other channels must not wait with it.
        for cover in self.covers:
            cover.add(radius, coverage, window)

    def developed(self, image: Tensor, margin: int) -> Tensor:
        """The picture `[1,C,H,W]` without its margin."""
        exposed = self.total[None, :, margin:-margin, margin:-margin]
        weight = exposed[:, -1:]
        reached = weight > LEAST_WEIGHT
        return torch.where(reached, exposed[:, :-1] / torch.where(reached, weight, 1.0), image)


def _opening(covered: list[Tensor], place: Tensor) -> Tensor:
    """What covers leave open, 0..1; `place` is the real-valued index of the one that counts."""
    total = covered[0]
    for index, wider in enumerate(covered[1:]):
        total = torch.lerp(total, wider, (place - index).clamp_(0.0, 1.0))
    return ((1.0 - LEAST_OPENING) - total).div_(1.0 - LEAST_OPENING).clamp_(0.0, 1.0)


class _Cover:
    """The summed coverage of the layers, as far as they are in front by a gap (px of radius)."""

    def __init__(self, gap: float, like: Tensor) -> None:
        self.gap = gap
        self.sum = torch.zeros_like(like)
        self.waiting: deque[tuple[float, Tensor, Window]] = deque()

    def add(self, radius: float, coverage: Tensor, window: Window) -> None:
        """Add a layer `[1,h,w]`; layers come from near to far."""
        self.waiting.append((radius, coverage, window))

    def in_front_of(self, radius: float) -> Tensor:
        """`[1,H,W]`: what covers a layer of this radius, which only ever gets smaller."""
        while self.waiting and self.waiting[0][0] > radius + self.gap:
            _, coverage, window = self.waiting.popleft()
            window.of(self.sum).add_(coverage)
        return self.sum
