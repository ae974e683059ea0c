"""The bokeh level at which a rendering is most like a photograph by SSIM, for a known focus.

Generative Refocusing eq. 5.
"""

from __future__ import annotations

import math

from torch import Tensor

from ...errors import InputError
from ..color import displayed
from ..defocus import defocus_from_bokeh_level
from ..depth import Depth
from ..focus import Focus
from ..progress import OnProgress
from ..render import Lens, render
from .fitted_lens import NO_BLUR, NO_BLUR_TEXT, FittedLens, doubts
from .pair import LARGEST_RADIUS, LEAST_RADIUS_PX, START_SIDE, Pair, side_for
from .plane import RISE

SSIM_WINDOW = 11
# The search for K: steps of the first scan, and where the golden section ends, as factors.
SCAN_RATIO = 1.3
LEVEL_PRECISION = 1.01
# Steps of ln K on either side of the best, to see how sharply it stands out.
CURVATURE_STEP = 0.1


class LevelSearch:
    """Search for K with a given focus: a scan, then a golden section in larger pictures.

    Args:
        sharp: all in focus, linear light `[1,3,H,W]`.
        photo: the same view with blur, linear light `[1,3,H,W]`.
        depth: of the size of the pictures.
        focus: of one image.
        lens: renderer.
        on_progress: called with the finished fraction, 0..1.

    Raises:
        InputError: all of the scene is in focus, whatever K is.
    """

    # Renderings, for the progress.
    EXPECTED = 40

    def __init__(
        self,
        sharp: Tensor,
        photo: Tensor,
        depth: Depth,
        focus: Focus,
        lens: Lens,
        on_progress: OnProgress | None,
    ) -> None:
        self.sharp, self.photo, self.depth = sharp, photo, depth
        self.focus, self.lens, self.on_progress = focus, lens, on_progress
        self.side = max(sharp.shape[-2:])
        self.renderings = 0
        # Blur radius at K = 1.
        unit = defocus_from_bokeh_level(depth, focus, 1.0).radius.abs()
        self.farthest = float(unit.amax())
        if not self.farthest > 0:
            raise InputError(
                "focus", "a focus range that all of the scene lies in", "Give a narrower one."
            )

    def run(self) -> FittedLens:
        """The best level."""
        pair = self._pair(min(START_SIDE, self.side))
        margin = min(pair.sharp.shape[-2:]) // 8
        scanned = self._scanned_levels(pair.side)
        losses = [self._loss(pair, level, margin) for level in scanned]
        best = scanned[min(range(len(scanned)), key=losses.__getitem__)]
        pair = self._pair(side_for(self._largest(best), self.side))
        radius = self._largest(best) * pair.side
        margin = min(math.ceil(SCAN_RATIO * radius), min(pair.sharp.shape[-2:]) // 4)
        level, loss = self._golden(pair, best, margin)
        sharp_loss = self._loss(pair, 0.0, margin)
        if self._largest(level) * pair.side < LEAST_RADIUS_PX or loss >= NO_BLUR * sharp_loss:
            self._report(1.0)
            return self._unblurred(pair.side, sharp_loss)
        spread = self._spread(pair, level, loss, margin)
        self._report(1.0)
        interval = (level * math.exp(-spread), level * math.exp(spread))
        plane = float(self.focus.plane[0])
        problems = doubts(spread, loss / sharp_loss)
        return FittedLens(
            level, interval, self.focus, (plane, plane), loss, sharp_loss, problems=problems
        )

    def _unblurred(self, side: int, loss: float) -> FittedLens:
        plane = float(self.focus.plane[0])
        highest = LEAST_RADIUS_PX / side * self.side / self.farthest
        interval = (0.0, highest)
        return FittedLens(
            0.0, interval, self.focus, (plane, plane), loss, loss, problems=(NO_BLUR_TEXT,)
        )

    def _pair(self, side: int) -> Pair:
        return Pair.of(self.sharp, self.photo, self.depth.disparity, side)

    def _largest(self, level: float) -> float:
        """Blur radius of what is most out of focus, as a fraction of the longest edge."""
        return level * self.farthest / self.side

    def _scanned_levels(self, side: int) -> list[float]:
        """K from none to a fifth of the longest edge."""
        radius, levels = LEAST_RADIUS_PX / side, []
        while radius <= LARGEST_RADIUS:
            levels.append(radius * self.side / self.farthest)
            radius *= SCAN_RATIO
        return [0.0, *levels]

    def _loss(self, pair: Pair, level: float, margin: int) -> float:
        """1 − SSIM of a rendering."""
        # Imported here because kornia is slow to import.
        from kornia.metrics import ssim

        depth = Depth(pair.disparity, self.depth.is_metric)
        defocus = defocus_from_bokeh_level(depth, self.focus, level * pair.side / self.side)
        picture = displayed(render(pair.sharp, defocus, self.lens) if level > 0 else pair.sharp)
        alike = ssim(picture, pair.photo, SSIM_WINDOW)
        height, width = alike.shape[-2:]
        self.renderings += 1
        self._report(min(self.renderings / self.EXPECTED, 0.95))
        inner = alike[..., margin : height - margin, margin : width - margin]
        return max(1.0 - float(inner.mean()), 0.0)

    def _golden(self, pair: Pair, start: float, margin: int) -> tuple[float, float]:
        """The best K around a start, and its loss; golden section over ln K."""
        start = start or LEAST_RADIUS_PX / pair.side * self.side / self.farthest
        low, high = math.log(start / SCAN_RATIO), math.log(start * SCAN_RATIO)
        known: dict[float, float] = {}

        def loss(log_level: float) -> float:
            if log_level not in known:
                known[log_level] = self._loss(pair, math.exp(log_level), margin)
            return known[log_level]

        # At another size the best may lie beyond the bracket.
        middle = math.log(start)
        while loss(low) < loss(middle) and len(known) < 9:
            low, middle, high = low - math.log(SCAN_RATIO), low, middle
        while loss(high) < loss(middle) and self._largest(math.exp(high)) < LARGEST_RADIUS:
            low, middle, high = middle, high, high + math.log(SCAN_RATIO)
        ratio = (math.sqrt(5.0) - 1.0) / 2.0
        inner, outer = high - ratio * (high - low), low + ratio * (high - low)
        while high - low > math.log(LEVEL_PRECISION):
            if loss(inner) < loss(outer):
                high, outer, inner = outer, inner, outer - ratio * (outer - low)
            else:
                low, inner, outer = inner, outer, inner + ratio * (high - inner)
        best = min(known, key=known.__getitem__)
        return math.exp(best), known[best]

    def _spread(self, pair: Pair, level: float, loss: float, margin: int) -> float:
        """Half width in ln K of the interval in which the loss rises by less than a tenth."""
        step = math.exp(CURVATURE_STEP)
        around = [self._loss(pair, level * factor, margin) for factor in (1.0 / step, step)]
        curvature = (sum(around) / 2.0 - loss) / CURVATURE_STEP**2
        return min(math.sqrt(RISE * loss / max(curvature, 1e-12)), 5.0)

    def _report(self, fraction: float) -> None:
        if self.on_progress is not None:
            self.on_progress(fraction)
