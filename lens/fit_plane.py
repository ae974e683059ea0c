"""Where a photograph was focused and how strongly it blurs, from its all-in-focus twin and depth.

Both are one fit: blur radius `r = K |δ − δ_f|` with two unknowns, the bokeh level K and the focus
disparity δ_f. Far from the solution the likeness of two pictures says nothing about them, so the
search begins without gradients, and exhaustively: a gather takes every pixel from an evenly blurred
picture, so that a small stack of evenly blurred pictures tells the likeness for any K and δ_f. From
the best few, Gauss-Newton steps with the TAF lens' own gradient go on, in ever larger pictures.

Pictures at depth edges mislead: what a blurred foreground reveals or covers is no gather. Pixels
within reach of a depth edge's blur are therefore left out, and what does not fit counts little.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .aperture import CIRCLE
from .color import linear_to_srgb
from .optics import signed_blur_radius
from .taf import TafOptions, render_taf

# Longest edges of the pictures that are compared, px. The last ones are only needed where the blur
# is small: it is measured well once its largest radius is this many px.
SEARCH_SIDE = 160
START_SIDE = 256
SIDES = (512, 1024, 2048)
ENOUGH_RADIUS_PX = 10.0

# The largest radius that is looked for, as a fraction of the longest edge.
LARGEST_RADIUS = 0.2
# Up to this radius the TAF lens leaves a pixel alone.
LEAST_RADIUS_PX = 0.5
SEARCHED_PLANES = 65
SEARCHED_LEVELS = 48
DISPARITY_BINS = 64
STARTS = 5
# How far beyond the scene's depth the focus may lie, as a fraction of its range.
BEYOND = 0.5

STEPS = 12
FIRST_STEPS = 6
# Steps are those of δ_f, as a fraction of the scene's range, and of ln K.
SMALL_STEP = 1e-3
LARGE_STEP = (0.15, 0.4)
# Differences of coded values above this many times their median count less and less.
OUTLIER = 2.0
LEAST_SCALE = 4.0 / 255.0
# An edge of depth: the blur radius jumps by this many px from one pixel to the next.
JUMP_PX = 1.0
# What a pixel within reach of a depth edge's blur counts, against 1 elsewhere.
DOUBT = 0.02
TINY = 1e-12
# By how much the mismatch (mean square) may rise within the interval that is reported.
RISE = 0.1

OnProgress = Callable[[float], None]


@dataclass(frozen=True)
class Pair:
    """The same view twice, at one size.

    Args:
        sharp: all in focus, linear light `[1,3,H,W]`.
        photo: with blur, sRGB-coded 0..1 `[1,3,H,W]`.
        disparity: `[1,1,H,W]`.
    """

    sharp: Tensor
    photo: Tensor
    disparity: Tensor

    @classmethod
    def of(cls, sharp: Tensor, photo: Tensor, disparity: Tensor, side: int | None = None) -> Pair:
        """Scaled down to a longest edge; all images linear light."""
        height, width = sharp.shape[-2:]
        scale = min(1.0, (side or max(height, width)) / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        if size != (height, width):
            sharp, photo = (
                F.interpolate(image, size, mode="bilinear", antialias=True)
                for image in (sharp, photo)
            )
        # Averaged over an edge, disparity would be that of neither side.
        disparity = F.interpolate(disparity, size, mode="nearest-exact")
        return cls(sharp, coded(photo), disparity)

    @property
    def side(self) -> int:
        """Longest edge, px."""
        return max(self.sharp.shape[-2:])


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


def coded(linear: Tensor) -> Tensor:
    """What a screen shows of linear light: sRGB, clipped."""
    return linear_to_srgb(linear.clamp(0.0, 1.0))


def fit_plane(
    sharp: Tensor,
    photo: Tensor,
    disparity: Tensor,
    limits: Limits,
    on_progress: OnProgress | None = None,
) -> PlaneFit:
    """Find focus and strength.

    Args:
        sharp: all in focus, linear light `[1,3,H,W]`.
        photo: with blur, linear light `[1,3,H,W]`.
        disparity: `[1,1,H,W]`, not constant.
        limits: of this disparity.
        on_progress: called with the finished fraction, 0..1.
    """
    # The steps go along gradients, also where the caller wants none, as ComfyUI does. Tensors from
    # an inference mode can take no part in that, copies of them can.
    with torch.inference_mode(False), torch.enable_grad():
        return _fit_plane(
            sharp.detach().clone(),
            photo.detach().clone(),
            disparity.detach().clone(),
            limits,
            on_progress or (lambda _: None),
        )


def _fit_plane(
    sharp: Tensor, photo: Tensor, disparity: Tensor, limits: Limits, report: OnProgress
) -> PlaneFit:
    starts = search_planes(Pair.of(sharp, photo, disparity, SEARCH_SIDE), limits)
    pair = Pair.of(sharp, photo, disparity, START_SIDE)
    fits = []
    for start in starts:
        fits.append(refine(pair, start, limits, FIRST_STEPS))
        report(0.5 * len(fits) / len(starts))
    # Each trusts other pixels, so what counts is how much of the blur there it explains.
    best = refine(pair, min(fits, key=PlaneFit.unexplained).plane, limits)
    longest = max(sharp.shape[-2:])
    for side in SIDES:
        # The blur becomes known better on the way.
        if pair.side >= side_for(best.plane.largest_radius(limits), longest):
            break
        pair = Pair.of(sharp, photo, disparity, side)
        best = refine(pair, best.plane, limits)
        report(0.5 + 0.5 * SIDES.index(side) / len(SIDES))
    report(1.0)
    return best


def side_for(largest_radius: float, longest: int) -> int:
    """Longest edge of the pictures in which a blur is measured well, px.

    Args:
        largest_radius: as a fraction of the longest edge.
        longest: that of the given pictures, px; they are not enlarged.
    """
    enough = (side for side in SIDES if largest_radius * side >= ENOUGH_RADIUS_PX)
    return min(next(enough, SIDES[-1]), longest)


def search_planes(pair: Pair, limits: Limits) -> list[Plane]:
    """The planes to start from, best first: local minima of the mismatch over all planes."""
    radii = [0.0, LEAST_RADIUS_PX]
    while radii[-1] < LARGEST_RADIUS * pair.side:
        radii.append(max(radii[-1] + 0.35, 1.15 * radii[-1]))
    table = _mismatch_by_blur(pair, radii, limits)
    focuses = torch.linspace(*limits.focus, SEARCHED_PLANES)
    largest = torch.logspace(
        math.log10(LEAST_RADIUS_PX), math.log10(LARGEST_RADIUS * pair.side), SEARCHED_LEVELS
    )
    bins = torch.linspace(*limits.scene, DISPARITY_BINS)
    farthest = torch.tensor([limits.farthest(float(focus)) for focus in focuses])
    # [planes, levels, bins]
    distance = (bins - focuses[:, None]).abs() / farthest[:, None]
    radius = distance[:, None] * largest[None, :, None]
    steps = torch.tensor(radii)
    below = (torch.searchsorted(steps, radius, right=True) - 1).clamp(0, len(radii) - 2)
    part = (radius - steps[below]) / (steps[below + 1] - steps[below])
    column = torch.arange(DISPARITY_BINS).expand_as(below)
    mismatch = torch.lerp(table[below, column], table[below + 1, column], part).sum(-1)
    return [
        Plane(float(focuses[i]), float(largest[j] / pair.side / farthest[i]))
        for i, j in _local_minima(mismatch)[:STARTS]
    ]


def _mismatch_by_blur(pair: Pair, radii: Sequence[float], limits: Limits) -> Tensor:
    """`[radii, bins]`: mismatch of all pixels of a disparity if they are blurred by a radius."""
    differences = []
    for radius in radii:
        even = torch.full_like(pair.disparity, radius)
        picture = coded(render_taf(pair.sharp, even, CIRCLE, TafOptions()))
        gain = _gain(picture, pair.photo, torch.ones_like(even))
        differences.append((gain * picture - pair.photo).square().sum(1).flatten())
    squares = torch.stack(differences)
    scale = max(OUTLIER * float(squares.amin(0).median().sqrt()), 4 * LEAST_SCALE)
    position = (pair.disparity.flatten() - limits.scene[0]) / limits.span * (DISPARITY_BINS - 1)
    bins = position.round().long()
    table = squares.new_zeros(len(radii), DISPARITY_BINS)
    return table.index_add_(1, bins, _damped(squares, scale)).cpu()


def _local_minima(values: Tensor) -> list[tuple[int, int]]:
    """Places `(row, column)` of a table that are lower than all around, lowest first."""
    lowest = -F.max_pool2d(-values[None, None], 3, 1, 1)[0, 0]
    places = (values == lowest).nonzero().tolist()
    return sorted(((i, j) for i, j in places), key=lambda place: float(values[place]))


def refine(pair: Pair, start: Plane, limits: Limits, steps: int = STEPS) -> PlaneFit:
    """Gauss-Newton (Levenberg-Marquardt) from a start, on the gradient of the TAF lens."""
    plane, damping = limits.within(start), 1e-3
    here = Comparison(pair, plane, limits)
    for _ in range(steps):
        normal, descent = here.normal_equations()
        for _ in range(5):
            step = _step(normal, descent, damping)
            tried = limits.within(plane.moved(limits.span * step[0], step[1]))
            there = Comparison(pair, tried, limits, here.trust)
            if there.mismatch(here.scale) < here.mismatch(here.scale):
                break
            damping = max(8 * damping, 1e-2)
        else:
            break
        damping = max(damping / 5, 1e-6)
        plane, here = tried, there
        here.weigh(_trust(plane.radius(pair)))
        if max(map(abs, step)) < SMALL_STEP:
            break
    return here.fit()


def _step(normal: Tensor, descent: Tensor, damping: float) -> tuple[float, float]:
    """Change of δ_f, of the scene's range, and of ln K."""
    damped = normal + torch.diag(damping * normal.diagonal() + TINY)
    largest = torch.tensor(LARGE_STEP, dtype=normal.dtype)
    first, second = torch.linalg.solve(damped, descent).clamp(-largest, largest).tolist()
    return first, second


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
        self.rendered = coded(render_taf(pair.sharp, self.radius, CIRCLE, TafOptions()))
        self.weigh(_trust(self.radius.detach()) if trust is None else trust)

    def weigh(self, trust: Tensor) -> None:
        """Let every pixel count as much as `trust` says, and match the exposures by that."""
        self.trust = trust
        self.gain = _gain(self.rendered.detach(), self.pair.photo, trust)
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
        damped = _damped(self.squares, scale)
        return float((self.trust * damped).sum() / self.trust.sum())

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
        unblurred = coded(self.pair.sharp)
        gain = _gain(unblurred, self.pair.photo, self.trust)
        squares = (gain * unblurred - self.pair.photo).square().sum(1, keepdim=True)
        sharp = float((self.trust * _damped(squares, self.scale)).sum() / self.trust.sum())
        return PlaneFit(
            self.plane,
            spread[0] * self.limits.span,
            spread[1],
            math.sqrt(mismatch),
            math.sqrt(sharp),
        )


def _damped(squares: Tensor, scale: float) -> Tensor:
    return squares / (1.0 + squares / scale**2)


def _gain(picture: Tensor, photo: Tensor, weight: Tensor) -> Tensor:
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


def _trust(radius: Tensor) -> Tensor:
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
