"""Relative depth that holds still from frame to frame.

A depth estimator's relative disparity is only known up to a scale and an offset, and most tools
choose both anew for every frame, from its nearest and farthest point. When somebody walks in, the
disparity of the wall behind jumps, and its blur with it.

`DepthStabilizer` undoes this while frames stream past: it looks for the scale and offset that put
most of a frame where the frame before had it (least median of squares, which up to half of the
picture may contradict), and keeps the ones it has while they still fit. So a frame's own range no
longer matters, whatever it was normalised with. Where the disparity leaves 0..1 for good, the
range follows slowly. A cut starts anew with the frame's own range.

Metric depth means the same in every frame and passes unchanged, but for the optional smoothing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .depth import Depth

# Frames are compared at this longest edge: fewer pixels, less noise, less of what moves.
COMPARED_PX = 64
# How many pairs of pixels propose a scale and an offset; each pair agrees with the still part of
# the picture with a chance of at least 1/4.
PROPOSALS = 128
# The scale and offset in use stay while better ones would move no pixel by more than this, plus
# this much of what the typical pixel is off by: noise finds slightly better ones in every frame.
STILL_FITS = 2e-3
NOISE_FITS = 0.2
# A cut: the typical pixel is off by more than this, or the scale would change by more than this.
CUT_ERROR = 0.08
CUT_SCALE = 8.0
# Part of the way that the range follows per frame (half of it in about a second), and the largest
# step, as a fraction of the range: slower than an eye notices.
RANGE_PACE = 1 / 36
RANGE_STEP = 0.01
# What counts as the ends of a frame's range: single wild pixels do not.
RANGE_QUANTILES = (0.005, 0.995)
# Change of a picture (0..1, over 3×3 px) at which smoothing has fallen to 1/e.
STILL_CONTRAST = 0.02


class _Map(NamedTuple):
    """`scale · disparity + offset`."""

    scale: float
    offset: float

    def of(self, disparity: Tensor) -> Tensor:
        return disparity * self.scale + self.offset


AS_IT_CAME = _Map(1.0, 0.0)


class DepthStabilizer:
    """Gives the depth of one frame after the other a common normalisation.

    Args:
        smoothing: how much of the frame before stays in a pixel where the picture does not change,
            0..1 (below 1): against depth that boils. Needs the pictures. 0 is none.
        follows_range: let the range follow, so that all disparity stays in 0..1; else nothing is
            cut off and the caller scales.

    Raises:
        InputError: smoothing is out of range.

    Example:
        >>> stabilizer = DepthStabilizer()
        >>> steady = [stabilizer.stabilized(depth) for depth in depths]
    """

    def __init__(self, smoothing: float = 0.0, follows_range: bool = True) -> None:
        if not 0.0 <= smoothing < 1.0:
            raise InputError("smoothing", f"{smoothing:g}", "Give 0 (none) to below 1.")
        self._smoothing = smoothing
        self._follows_range = follows_range
        self._map = AS_IT_CAME
        self._before: Tensor | None = None  # disparity of the frame before, small
        self._last: tuple[Tensor, Tensor] | None = None  # disparity and image of the frame before

    def stabilized(self, depth: Depth, image: Tensor | None = None) -> Depth:
        """The depth of the next frame.

        Args:
            depth: of one frame, `[1,1,H,W]`, of any kind; all frames of the same kind.
            image: the frame `[1,C,h,w]`, for smoothing.
        """
        disparity = depth.disparity if depth.is_metric else self._aligned(depth.disparity)
        if self._smoothing and image is not None:
            disparity = self._without_boiling(disparity, image)
        return depth.with_disparity(disparity)

    def _aligned(self, disparity: Tensor) -> Tensor:
        small = _small(disparity)
        if self._before is not None and self._before.shape == small.shape:
            self._map = _fitting_map(small, self._before, self._map)
        if self._follows_range:
            self._map = _towards_unit_range(self._map, small)
        self._before = self._map.of(small)
        aligned = self._map.of(disparity)
        return aligned.clamp(0.0, 1.0) if self._follows_range else aligned

    def _without_boiling(self, disparity: Tensor, image: Tensor) -> Tensor:
        size = (disparity.shape[-2], disparity.shape[-1])
        image = F.interpolate(image.to(disparity), size, mode="area")
        if self._last is not None and self._last[0].shape == disparity.shape:
            last_disparity, last_image = self._last
            change = F.avg_pool2d(image - last_image, 3, 1, 1).abs().amax(1, keepdim=True)
            still = self._smoothing * torch.exp(-((change / STILL_CONTRAST) ** 2))
            disparity = torch.lerp(disparity, last_disparity, still)
        self._last = (disparity, image)
        return disparity


def stabilized_batch(depth: Depth, images: Tensor | None = None, smoothing: float = 0.0) -> Depth:
    """The depths of a whole clip with one normalisation, in two passes.

    First every frame is aligned to the one before, then all are scaled to 0..1 by the nearest and
    farthest value of the clip (if they go beyond). Nothing is cut off and nothing drifts, but all
    of it has to be in memory; `DepthStabilizer` streams.

    Args:
        depth: `[B,1,H,W]`, frames in order.
        images: their pictures `[B,C,h,w]`, for smoothing.
        smoothing: see `DepthStabilizer`.

    Raises:
        InputError: smoothing is out of range, or there are not as many pictures as depths.
    """
    if images is not None and len(images) != len(depth.disparity):
        received = f"{len(images)} images for {len(depth.disparity)} depths"
        raise InputError("images", received, "Give one per depth.")
    stabilizer = DepthStabilizer(smoothing, follows_range=False)
    disparity = torch.empty_like(depth.disparity)
    for index, frame in enumerate(depth.split()):
        image = None if images is None else images[index][None]
        disparity[index] = stabilizer.stabilized(frame, image).disparity
    if not depth.is_metric:
        disparity = Depth.from_relative(disparity).disparity
    return depth.with_disparity(disparity)


def _small(disparity: Tensor) -> Tensor:
    """`[1,1,h,w]`, averaged down to `COMPARED_PX`."""
    height, width = disparity.shape[-2:]
    factor = max(1.0, max(height, width) / COMPARED_PX)
    size = (max(1, round(height / factor)), max(1, round(width / factor)))
    return F.interpolate(disparity, size, mode="area")


def _fitting_map(disparity: Tensor, target: Tensor, current: _Map) -> _Map:
    """The map that puts most of `disparity` on `target`: the current one if it will do."""
    x, y = disparity.flatten().double(), target.flatten().double()
    scales, offsets = _proposals(x, y, current)
    off = (scales[:, None] * x + offsets[:, None] - y).abs()  # [proposals, pixels]
    typical = off.median(dim=1).values
    best = int(typical.argmin())
    fitted = _refined(x, y, off[best] <= 3.0 * typical[best] + 1e-6)
    change = fitted.scale / current.scale
    if float(typical[best]) > CUT_ERROR or not 1 / CUT_SCALE < change < CUT_SCALE:
        return AS_IT_CAME
    ends = torch.stack(torch.aminmax(x))
    moved = fitted.of(ends) - current.of(ends)
    small = STILL_FITS + NOISE_FITS * float(typical[best])
    return current if float(moved.abs().amax()) < small else fitted


def _proposals(x: Tensor, y: Tensor, current: _Map) -> tuple[Tensor, Tensor]:
    """Scales and offsets `[N]`: the current ones, then the lines through pairs of pixels."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randint(len(x), (2, PROPOSALS), generator=generator).to(x.device)
    run, rise = x[first] - x[second], y[first] - y[second]
    usable = (run.abs() > 0.02 * (x.amax() - x.amin())) & (run * rise > 0)
    scales = torch.cat([x.new_tensor([current.scale]), (rise / run)[usable]])
    through = (y[first] - rise / run * x[first])[usable]
    return scales, torch.cat([x.new_tensor([current.offset]), through])


def _refined(x: Tensor, y: Tensor, agreeing: Tensor) -> _Map:
    """The line through the pixels that agree. Its scale is the ratio of their spreads: least
    squares would give a little less whenever there is noise, and frame after frame ever less."""
    x, y = x[agreeing], y[agreeing]
    scale = float(y.std() / x.std().clamp(min=1e-9))
    return _Map(scale, float(y.mean()) - scale * float(x.mean()))


def _towards_unit_range(current: _Map, disparity: Tensor) -> _Map:
    """The map with its range widened a little towards where this frame fits into it."""
    ends = torch.quantile(current.of(disparity), disparity.new_tensor(RANGE_QUANTILES))
    low, high = ends.tolist()
    lowest = max(RANGE_PACE * min(low, 0.0), -RANGE_STEP)
    highest = 1.0 + min(RANGE_PACE * max(high - 1.0, 0.0), RANGE_STEP)
    factor = 1.0 / (highest - lowest)
    return _Map(current.scale * factor, (current.offset - lowest) * factor)
