"""What is fitted to a photograph, focus and strength of its blur, and within which limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from ..optics import signed_blur_radius
from .pair import LARGEST_RADIUS, Pair

# How far beyond the scene's depth the focus may lie, as a fraction of its range.
BEYOND = 0.5
# By how much the mismatch may rise within the interval that is reported.
RISE = 0.1


class Plane(NamedTuple):
    """What is fitted.

    Args:
        disparity: δ_f, in the depth's unit.
        level: K as a fraction of the longest edge per unit of disparity: the same at every size.
    """

    disparity: float
    level: float

    def moved(self, disparity: float, log_level: float) -> Plane:
        """Another plane, by a difference of δ_f and one of ln K."""
        return Plane(self.disparity + disparity, self.level * math.exp(log_level))

    def radius(self, pair: Pair) -> Tensor:
        """Signed blur radius `[1,1,H,W]`, px."""
        radius = signed_blur_radius(pair.disparity, self.disparity, self.level * pair.side)
        assert isinstance(radius, Tensor)
        return radius

    def largest_radius(self, limits: Limits) -> float:
        """Of the picture, as a fraction of its longest edge."""
        return self.level * limits.farthest(self.disparity)


@dataclass(frozen=True)
class Limits:
    """The range of the scene, and of the focus, as disparity."""

    scene: tuple[float, float]
    focus: tuple[float, float]

    @classmethod
    def of(cls, disparity: Tensor, is_metric: bool, nearest_focus: float = math.inf) -> Limits:
        """Of a scene; `nearest_focus` is the disparity at which a lens cannot focus any more."""
        low, high = float(disparity.amin()), float(disparity.amax())
        margin = BEYOND * (high - low)
        nearest = min(high + margin, 0.95 * nearest_focus if is_metric else 1.0)
        return cls((low, high), (max(low - margin, 0.0), nearest))

    @property
    def span(self) -> float:
        """Range of the scene."""
        return self.scene[1] - self.scene[0]

    def farthest(self, focus: float) -> float:
        """Distance in disparity of what is most out of focus."""
        return max(self.scene[1] - focus, focus - self.scene[0])

    def within(self, plane: Plane) -> Plane:
        """The nearest plane that is allowed."""
        focus = min(max(plane.disparity, self.focus[0]), self.focus[1])
        return Plane(focus, min(plane.level, LARGEST_RADIUS / self.farthest(focus)))


class PlaneFit(NamedTuple):
    """The best plane, and how sharply it stands out.

    Args:
        plane: the best.
        disparity_spread: half width of the interval of δ_f in which the mismatch rises by less
            than a tenth, K being fitted to each.
        level_spread: the same of ln K.
        loss: root mean square of the difference in coded values, outliers counting little.
        sharp_loss: the same of the all-in-focus picture.
    """

    plane: Plane
    disparity_spread: float
    level_spread: float
    loss: float
    sharp_loss: float

    def unexplained(self) -> float:
        """Part of the difference between the two pictures that is left: 0 perfect, 1 no use."""
        return self.loss / max(self.sharp_loss, 1e-12)
