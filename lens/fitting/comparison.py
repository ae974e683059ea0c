"""A rendering beside a photograph: how far apart they are, and which way is closer.

Pictures at depth edges mislead: what a blurred foreground reveals or covers is no gather. Pixels
within reach of a depth edge's blur therefore count next to nothing, and so does what does not fit.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..aperture import CIRCLE
from ..color import displayed
from ..taf import TafOptions, render_taf
from .pair import Pair
from .plane import RISE, Limits, Plane, PlaneFit

# Differences of coded values above this many times their median count less and less.
OUTLIER = 2.0
LEAST_SCALE = 4.0 / 255.0
# An edge of depth: the blur radius jumps by this many px from one pixel to the next.
JUMP_PX = 1.0
# What a pixel within reach of a depth edge's blur counts, against 1 elsewhere.
DOUBT = 0.02
TINY = 1e-12


class Comparison:
    """A rendering with the TAF lens beside the photograph.

    Args:
        pair: of one size.
        plane: what is rendered.
        limits: of the scene.
        trust: how much each pixel counts, `[1,1,H,W]`; by default, as is right for this plane.
    """

    def __init__(
        self, pair: Pair, plane: Plane, limits: Limits, trust: Tensor | None = None
    ) -> None:
        self.pair, self.plane, self.limits = pair, plane, limits
        self.radius = plane.radius(pair).requires_grad_()
        self.rendered = displayed(render_taf(pair.sharp, self.radius, CIRCLE, TafOptions()))
        self.weigh(trust_in(self.radius.detach()) if trust is None else trust)

    def weigh(self, trust: Tensor) -> None:
        """Let every pixel count as much as `trust` says, and match the exposures by that."""
        self.trust = trust
        self.gain = exposure_gain(self.rendered.detach(), self.pair.photo, trust)
        self.picture = self.gain * self.rendered
        self.difference = self.picture.detach() - self.pair.photo
        self.squares = self.difference.square().sum(1, keepdim=True)

    @property
    def scale(self) -> float:
        """Differences below it are noise of the comparison, above it outliers."""
        clean = self.squares[self.trust == self.trust.max()]
        return max(OUTLIER * float(clean.median().sqrt()), LEAST_SCALE)

    def mismatch(self, scale: float) -> float:
        """Mean square of the difference, outliers counting little (Geman-McClure)."""
        return float((self.trust * damped(self.squares, scale)).sum() / self.trust.sum())

    def normal_equations(self) -> tuple[Tensor, Tensor]:
        """`[2,2]` and `[2]`, float64: by δ_f (of the range) and ln K, mean of all pixels."""
        weight = self.trust / (1.0 + self.squares / self.scale**2).square()
        slope = self.slope()
        by_disparity = slope * (-self.plane.level * self.pair.side * self.limits.span)
        by_level = slope * self.radius.detach()
        slopes = torch.stack([by_disparity, by_level]).flatten(1).double()
        weight = (weight / self.trust.sum()).expand_as(self.difference)
        weighted = slopes * weight.flatten().double()
        descent = -(weighted @ self.difference.flatten().double())
        return (weighted @ slopes.T).cpu(), descent.cpu()

    def slope(self) -> Tensor:
        """Derivative of every value by its own pixel's blur radius, `[1,3,H,W]`.

        No other radius matters in a gather, so one backward pass per channel is all of it.
        """
        channels = [
            torch.autograd.grad(self.picture[:, channel].sum(), self.radius, retain_graph=True)[0]
            for channel in range(self.picture.shape[1])
        ]
        return torch.cat(channels, dim=1)

    def fit(self) -> PlaneFit:
        """This plane as the result."""
        normal, _ = self.normal_equations()
        mismatch = self.mismatch(self.scale)
        # Mismatch rises by Δᵀ normal Δ; along the valley of one unknown, by Δ² / inverse.
        inverse = torch.linalg.inv(normal + TINY * torch.eye(2)).diagonal()
        spread = (RISE * mismatch * inverse).sqrt().tolist()
        unblurred = displayed(self.pair.sharp)
        exposure = exposure_gain(unblurred, self.pair.photo, self.trust)
        squares = (exposure * unblurred - self.pair.photo).square().sum(1, keepdim=True)
        sharp = float((self.trust * damped(squares, self.scale)).sum() / self.trust.sum())
        return PlaneFit(
            self.plane,
            spread[0] * self.limits.span,
            spread[1],
            math.sqrt(mismatch),
            math.sqrt(sharp),
        )


def damped(squares: Tensor, scale: float) -> Tensor:
    """Squared differences, of which those above `scale` count less and less (Geman-McClure)."""
    return squares / (1.0 + squares / scale**2)


def exposure_gain(picture: Tensor, photo: Tensor, weight: Tensor) -> Tensor:
    """`[1,3,1,1]`: the exposure of the photograph against the picture, as a factor on codes."""
    own = (weight * picture.square()).sum((2, 3), keepdim=True)
    common = (weight * picture * photo).sum((2, 3), keepdim=True)
    return torch.where(own > 0, common / own.clamp(min=1e-12), 1.0).clamp(0.25, 4.0)


def _inside(radius: Tensor) -> Tensor:
    """`[1,1,H,W]` 0 or 1: where no light comes from beyond the frame."""
    height, width = radius.shape[-2:]
    margin = min(math.ceil(float(radius.abs().amax())), min(height, width) // 4)
    inside = torch.zeros_like(radius)
    inside[..., margin : height - margin, margin : width - margin] = 1.0
    return inside


def trust_in(radius: Tensor) -> Tensor:
    """`[1,1,H,W]` 0..1: little within reach of what is blurred at a depth edge."""
    return _inside(radius) * (1.0 - (1.0 - DOUBT) * _near_edges(radius))


def _near_edges(radius: Tensor) -> Tensor:
    """`[1,1,H,W]` 0 or 1: within the blur of a surface that ends in front of or behind another."""
    nearest, farthest = (F.max_pool2d(sign * radius, 3, 1, 1) for sign in (1.0, -1.0))
    is_edge = nearest + farthest > JUMP_PX
    reach = torch.maximum(nearest.abs(), farthest.abs()).ceil()
    near = torch.zeros_like(radius)
    limit = min(radius.shape[-2:]) // 4
    step = 1
    while bool(is_edge.any()):
        is_reached = is_edge & (reach <= step)
        if bool(is_reached.any()):
            width = min(step, limit)
            near = torch.maximum(near, F.max_pool2d(is_reached.float(), 2 * width + 1, 1, width))
        is_edge, step = is_edge & ~is_reached, math.ceil(1.4 * step + 0.5)
    return near
