"""A picture as a scene of layers: what is in front, what is behind it, and where to cut.

Every layer is a complete picture of its own, with opacity: the front one ends softly at its edge
and its defocus goes on beyond it; the one behind continues where the front one hides it. Layers are
peeled off from the front. A layer comes from a mask, or from a cut through the depth where most of
the depth edges are.

What lies behind is made up smoothly (pull-push) and kept in coarse cells, made once for the whole
picture, block by block. So any part of the picture can be layered on its own, all parts fit
together, and no picture is too large.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .blocks import Surroundings, affordable_blocks
from .depth_cuts import CutMemory, choose_cuts
from .pull_push import pull_push
from .running_sum import running_sum
from .view import View
from .window import Window

# Difference of blur radius (px) between neighbouring pixels that makes a depth edge. Less is a
# slope.
EDGE_STEP = 1.0
# The defocus next to an edge is not trusted: estimators blur it. It is taken from this far (px).
RIM_REACH = 8
# A mask may end this many px too early or too late; within it, its depth and the background's
# colour are not trusted. From this opacity on it hides what is behind.
MASK_SLACK = 4
MASK_THRESHOLD = 0.1
# Beside a soft depth edge, this many px may hold light of the front layer.
SOFT_REACH = 3
# Edge pixels of a cut through the depth look this far (px) for the pure colours of both sides.
MATTE_REACH = 2
# How much edge pixels count for these: only where there are no others, as on a wire.
BOUNDARY_PURITY = 1e-3
# Contrast (linear light) between these colours from which on colour decides who owns an edge pixel.
LEAST_CONTRAST = 0.3
# What is hidden is filled in cells, at most this many along the picture's longest edge.
MOST_CELLS = 1024
# A pixel this much brighter than its surroundings (mean over so many px around) is a light, and is
# not continued.
LIGHT_RATIO = 3.0
LIGHT_REACH = 12
# A layer depends on the picture this far around (px).
LAYERING_REACH = 24
# Memory that planning takes at most, beside the picture.
PLAN_BYTES_PER_PIXEL = 300


@dataclass(frozen=True)
class SceneLayer:
    """One layer of a scene.

    Args:
        color: `[B,C,H,W]` linear light, times `alpha`.
        alpha: `[B,1,H,W]` opacity, 0..1.
        defocus: `[B,1,H,W]` signed blur radius, px; meant everywhere, beyond the object as well.
    """

    color: Tensor
    alpha: Tensor
    defocus: Tensor


class Cells(NamedTuple):
    """Maps `[1,C,h,w]` of the whole picture in square cells of `side` px."""

    maps: Tensor
    side: int

    def shifted(self, radius: float) -> Cells:
        """The maps with `radius` added to the last one, which is the defocus."""
        return Cells(torch.cat([self.maps[:, :-1], self.maps[:, -1:] + radius], 1), self.side)

    def seen(self, height: int, width: int, view: View) -> Tensor:
        """`[1,C,height,width]`: the part in a view, bilinear."""
        rows = self._between(view.top, height, self.maps.shape[-2])
        columns = self._between(view.left, width, self.maps.shape[-1])
        low, high, part = rows
        tall = torch.lerp(self.maps[..., low, :], self.maps[..., high, :], part[:, None])
        low, high, part = columns
        return torch.lerp(tall[..., low], tall[..., high], part)

    def _between(self, first: int, count: int, cells: int) -> tuple[Tensor, Tensor, Tensor]:
        """For each pixel of an axis: the cells before and after its centre, and how far between."""
        pixels = torch.arange(first, first + count, dtype=torch.float64)
        place = ((pixels + 0.5) / self.side - 0.5).clamp(0, cells - 1)
        low = place.floor()
        part = (place - low).to(self.maps)
        low = low.long().to(self.maps.device)
        return low, (low + 1).clamp(max=cells - 1), part


@dataclass(frozen=True)
class LayerPlan:
    """What has to be known of a whole picture to layer any part of it.

    Args:
        cuts: for each layer but the last, from the front, the defocus (px) behind which it ends;
            None for the layer of the mask.
        extensions: the defocus of each of these layers, beyond its edge.
        fills: colour and defocus of what each of them hides.
    """

    cuts: tuple[float | None, ...]
    extensions: tuple[Cells, ...]
    fills: tuple[Cells, ...]

    def shifted(self, radius: float) -> LayerPlan:
        """The plan for a defocus to which `radius` (px) is added everywhere."""
        return LayerPlan(
            tuple(None if cut is None else cut + radius for cut in self.cuts),
            tuple(cells.shifted(radius) for cells in self.extensions),
            tuple(cells.shifted(radius) for cells in self.fills),
        )


class _Cut(NamedTuple):
    """A front layer before it is lifted off.

    alpha: its opacity; is_hidden: where what is behind is not, or not purely, in view; near, far:
    the defocus in front and behind, repaired next to the edge; is_known: where `near` tells the
    layer's defocus. All `[1,1,H,W]`.
    """

    alpha: Tensor
    is_hidden: Tensor
    near: Tensor
    far: Tensor
    is_known: Tensor


def plan_layers(
    light: Callable[[Window], Tensor],
    defocus: Tensor,
    count: int,
    mask: Tensor | None = None,
    memory: CutMemory | None = None,
) -> LayerPlan:
    """Choose the layers of a picture and make up what they hide.

    The picture is looked at in blocks, so that memory stays bounded.

    Args:
        light: linear light `[1,C,h,w]` of a part of the picture.
        defocus: signed blur radius `[1,1,H,W]`, px.
        count: of layers, at most; fewer if the depth has not as many.
        mask: opacity of the front layer `[1,1,H,W]`, 0..1, if it is known.
        memory: of the frame before, in a film.
    """
    plan = LayerPlan((), (), ())
    if count == 1 and mask is None:
        return plan
    for cut in cuts_of(defocus, count, mask, memory):
        plan = _with_layer(plan, cut, light, defocus, mask)
    return plan


def _with_layer(
    plan: LayerPlan,
    cut: float | None,
    light: Callable[[Window], Tensor],
    defocus: Tensor,
    mask: Tensor | None,
) -> LayerPlan:
    """The plan with one more layer, unless nothing lies in front of the cut."""
    height, width = defocus.shape[-2:]
    side = math.ceil(max(height, width) / MOST_CELLS)
    around = Surroundings(LAYERING_REACH * (len(plan.cuts) + 1), side)
    extension, fill = (_Gathering(height, width, side) for _ in range(2))
    has_front = False
    for block in affordable_blocks(height, width, around, PLAN_BYTES_PER_PIXEL, defocus.device):
        outer, inner = block.outer, block.inner.seen_from(block.outer)
        own_mask = None if mask is None else outer.of(mask)
        color = light(outer)
        view = View(height, width, outer.top, outer.left)
        _, color, rest = _peeled(color, outer.of(defocus).to(color), plan, own_mask, None, view)
        front = _cut(color, rest, cut, own_mask)
        has_front |= bool((inner.of(front.alpha) > 0).any())
        is_shown = ~front.is_hidden & ~_is_light(color)
        fill.add(inner.of(torch.cat([color, front.far], 1)), inner.of(is_shown), block.inner)
        extension.add(inner.of(front.near), inner.of(front.is_known), block.inner)
    if not has_front:
        return plan
    return LayerPlan(
        (*plan.cuts, cut),
        (*plan.extensions, extension.filled()),
        (*plan.fills, fill.filled()),
    )


def layers_of(
    image: Tensor,
    defocus: Tensor,
    plan: LayerPlan,
    mask: Tensor | None = None,
    background: Tensor | None = None,
    view: View | None = None,
) -> list[SceneLayer]:
    """Layer a picture, or the part of it that is at hand, from the front.

    Args:
        image: linear light `[1,C,H,W]`.
        defocus: signed blur radius `[1,1,H,W]`, px.
        plan: of the whole picture.
        mask: as given to `plan_layers`, of this part.
        background: `[1,C,H,W]` linear light behind the front layer, where it is known.
        view: where this part lies.
    """
    view = view or View(image.shape[-2], image.shape[-1])
    layers, color, rest = _peeled(image, defocus, plan, mask, background, view)
    return [*layers, SceneLayer(color, torch.ones_like(rest), rest)]


def _peeled(
    image: Tensor,
    defocus: Tensor,
    plan: LayerPlan,
    mask: Tensor | None,
    background: Tensor | None,
    view: View,
) -> tuple[list[SceneLayer], Tensor, Tensor]:
    """The planned layers, and colour and defocus of what is behind them all."""
    layers = []
    color, rest = image, defocus
    for index, cut in enumerate(plan.cuts):
        front = _cut(color, rest, cut, mask)
        shown = background if index == 0 else None
        layer, color, rest = _lifted(
            color, front, plan.extensions[index], plan.fills[index], view, shown
        )
        layers.append(layer)
    return layers, color, rest


def cuts_of(
    defocus: Tensor, count: int, mask: Tensor | None, memory: CutMemory | None
) -> list[float | None]:
    """Where the layers of a picture end, from the front; None for that of the mask."""
    if mask is None:
        return [*choose_cuts(defocus, count - 1, None, memory)]
    return [None, *choose_cuts(defocus, count - 2, mask > MASK_THRESHOLD, memory)]


def _cut(color: Tensor, defocus: Tensor, cut: float | None, mask: Tensor | None) -> _Cut:
    if cut is not None:
        return _cut_by_depth(color, defocus, cut)
    assert mask is not None
    return _cut_by_mask(defocus, mask)


def _cut_by_mask(defocus: Tensor, mask: Tensor) -> _Cut:
    is_in = mask > MASK_THRESHOLD
    is_edge = _range(defocus, 1) > EDGE_STEP
    is_hidden = _dilated(is_in, MASK_SLACK)
    is_sure = ~_dilated(~is_in, MASK_SLACK) & ~is_edge
    near = _settled(defocus, is_in & ~is_sure, is_sure)
    return _Cut(mask, is_hidden, near, defocus, is_in)


def _cut_by_depth(color: Tensor, defocus: Tensor, cut: float) -> _Cut:
    is_in = defocus > cut
    is_edge = _range(defocus, 1) > EDGE_STEP
    boundary = _dilated(is_in, 1) & _dilated(~is_in, 1) & is_edge
    alpha, is_clean = _matte(color, defocus, is_in, boundary)
    # On a soft edge, as estimators make them, depth is of neither side, and its place uncertain.
    is_ramp = _is_ramp(defocus)
    beside = _dilated(is_in, SOFT_REACH) & ~is_in
    is_hidden = (alpha > 0) | ~is_clean | (_dilated(is_ramp & beside, 1) & beside)
    near = _settled(defocus, is_ramp & is_in, is_in & ~is_ramp)
    far = _settled(defocus, is_ramp | is_in, ~is_in & ~is_ramp)
    return _Cut(alpha, is_hidden, near, far, is_in)


def _matte(
    color: Tensor, defocus: Tensor, is_in: Tensor, boundary: Tensor
) -> tuple[Tensor, Tensor]:
    """Opacity: 0 or 1, but on the boundary the mixture of the colours on its two sides.

    And where that leaves no light of the front layer behind.
    """
    hard = is_in.to(color.dtype)
    pure = torch.where(boundary, BOUNDARY_PURITY, 1.0).to(color.dtype)
    surface = torch.cat([color, defocus, pure], 1)
    inside, has_inside = _mean(surface, hard * pure, MATTE_REACH)
    outside, has_outside = _mean(surface, (1.0 - hard) * pure, MATTE_REACH)
    contrast = inside[:, :-2] - outside[:, :-2]
    square = contrast.square().sum(1, keepdim=True)
    mixture = ((color - outside[:, :-2]) * contrast).sum(1, keepdim=True) / square.clamp(min=1e-12)
    trust = (square / LEAST_CONTRAST**2).clamp(max=1.0)
    alpha = torch.lerp(hard, mixture.clamp(0.0, 1.0), trust)
    # A wire is all boundary, and its colour uncertain. Sharp before a blurred background it needs
    # a smooth edge; blurred itself it needs none, and would cover too much.
    is_thin = torch.minimum(inside[:, -1:], outside[:, -1:]) < 0.5
    is_sharper = inside[:, -2:-1].abs() < outside[:, -2:-1].abs()
    is_mixed = boundary & has_inside & has_outside & (~is_thin | is_sharper)
    return torch.where(is_mixed, alpha, hard), ~boundary | is_mixed


def _lifted(
    color: Tensor,
    front: _Cut,
    extension: Cells,
    fill: Cells,
    view: View,
    background: Tensor | None = None,
) -> tuple[SceneLayer, Tensor, Tensor]:
    """The front layer, and colour and defocus of the picture without it."""
    height, width = color.shape[-2:]
    near = torch.where(front.is_known, front.near, extension.seen(height, width, view))
    filled = fill.seen(height, width, view)
    far = torch.where(front.is_hidden, filled[:, -1:], front.far)
    made_up = filled[:, :-1] if background is None else background
    behind = torch.where(front.is_hidden, made_up, color)
    # A pixel just outside the mask may hold some of the front layer's light, which would stay
    # behind as an outline. Where all is sharp nothing moves, and it keeps its light.
    is_blurred = (torch.maximum(near.abs(), far.abs()) / EDGE_STEP).clamp(max=1.0)
    behind = torch.lerp(color, behind, torch.where(front.alpha > 0, 1.0, is_blurred))
    # What shows through cannot be brighter than the pixel, so that both together are the pixel.
    through = (1.0 - front.alpha).clamp(min=1e-6)
    behind = torch.where(front.alpha > 0, torch.minimum(behind, color / through), behind)
    light = torch.where(front.alpha > 0, color - (1.0 - front.alpha) * behind, 0.0)
    return SceneLayer(light, front.alpha, near), behind, far


class _Gathering:
    """Maps of a picture in cells, gathered from blocks and continued where they are not known."""

    def __init__(self, height: int, width: int, side: int) -> None:
        self.size = math.ceil(height / side), math.ceil(width / side)
        self.side = side
        self.maps: Tensor | None = None  # [1,2C+1,h,w]: sums of what is known, of all, coverage

    def add(self, values: Tensor, is_known: Tensor, window: Window) -> None:
        """Take the values `[1,C,h,w]` of a window that starts on the grid of cells."""
        weight = is_known.to(values.dtype)
        parts = torch.cat([values * weight, values, weight], 1)
        means = F.avg_pool2d(parts, self.side, ceil_mode=True)
        if self.maps is None:
            self.maps = means.new_zeros(*means.shape[:2], *self.size)
        top, left = window.top // self.side, window.left // self.side
        height, width = means.shape[-2:]
        self.maps[..., top : top + height, left : left + width] = means

    def filled(self) -> Cells:
        """The cells, without a hole."""
        assert self.maps is not None
        channels = self.maps.shape[1] // 2
        sums, plain, coverage = self.maps.split([channels, channels, 1], 1)
        has_any = coverage > 0
        if not bool(has_any.any()):
            return Cells(plain, self.side)
        means = sums / torch.where(has_any, coverage, 1.0)
        return Cells(pull_push(means, has_any.to(means.dtype)), self.side)


def _is_light(color: Tensor) -> Tensor:
    brightness = color.amax(1, keepdim=True)
    return brightness > LIGHT_RATIO * _box(brightness, LIGHT_REACH)


def _settled(values: Tensor, where: Tensor, is_sure: Tensor) -> Tensor:
    """Replace values by the mean of the sure ones around, if there are any."""
    mean, has_any = _mean(values, is_sure.to(values.dtype), RIM_REACH)
    return torch.where(where & has_any, mean, values)


def _mean(values: Tensor, weight: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Weighted mean over the square around each pixel, and where there is any weight."""
    sums = _box(torch.cat([values * weight, weight], 1), reach)
    has_any = sums[:, -1:] > 0.5 * BOUNDARY_PURITY / (2 * reach + 1) ** 2
    return sums[:, :-1] / torch.where(has_any, sums[:, -1:], 1.0), has_any


def _box(values: Tensor, reach: int) -> Tensor:
    """Mean over a square, zero beyond the frame."""
    side = 2 * reach + 1
    padded = F.pad(values, (reach,) * 4)
    return running_sum(running_sum(padded, side, -1), side, -2) / side**2


def _is_ramp(defocus: Tensor) -> Tensor:
    """Where depth is clearly between those around it."""
    high, low = _largest(defocus, 1), -_largest(-defocus, 1)
    return torch.minimum(high - defocus, defocus - low) > EDGE_STEP / 2


def _range(values: Tensor, reach: int) -> Tensor:
    return _largest(values, reach) + _largest(-values, reach)


def _largest(values: Tensor, reach: int) -> Tensor:
    return F.max_pool2d(values, 2 * reach + 1, stride=1, padding=reach)


def _dilated(mask: Tensor, reach: int) -> Tensor:
    """Grow a mask by a square."""
    side = 2 * reach + 1
    tall = F.max_pool2d(mask.float(), (side, 1), stride=1, padding=(reach, 0))
    return F.max_pool2d(tall, (1, side), stride=1, padding=(0, reach)) > 0
