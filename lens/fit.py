"""Which lens took a photograph: strength of the blur and focus, from the photograph, an
all-in-focus picture of the same view, and its depth.

Two criteria, for two uses. `fit_camera` finds focus distance and f-number together, by least
squares through the differentiable TAF lens (`fit_plane`). `fit_bokeh_level` finds the bokeh level K
at which a rendering is most like the photograph by SSIM, which is how Generative Refocusing labels
photographs without EXIF (eq. 5); its focus may come from a mask (eq. 4) or from the same fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .color import luminance
from .defocus import defocus_from_bokeh_level
from .depth import Depth
from .fit_plane import (
    LARGEST_RADIUS,
    LEAST_RADIUS_PX,
    RISE,
    START_SIDE,
    Limits,
    OnProgress,
    Pair,
    coded,
    fit_plane,
    side_for,
)
from .focus import Focus
from .image import check_finite
from .optics import Camera, f_number_for_bokeh_level, focus_scale_for_bokeh_level
from .render import Lens, render

Unknown = Literal["f_number", "focus_scale"]
Interval = tuple[float, float]

# The renderer of Generative Refocusing eq. 5.
FIT_LENS = "bokehme"
SSIM_WINDOW = 11
# The search for K: steps of the first scan, and where the golden section ends, as factors.
SCAN_RATIO = 1.3
LEVEL_PRECISION = 1.01
# Steps of ln K on either side of the best, to see how sharply it stands out.
CURVATURE_STEP = 0.1
# A rendering that leaves more of the difference than this is no better than the sharp picture.
NO_BLUR = 0.98
LITTLE_BLUR = 0.7
# Where ln K is known no better than this, or the focus than half the depth range, it is said.
WIDE_LEVEL = 0.3

# Two pictures of one view: their luminance correlates at least so, and best in place.
LEAST_CORRELATION = 0.5
LIKENESS_SIDE = 48
ALIGNMENT_SIDE = 192
LARGEST_SHIFT = 8
ALLOWED_SHIFT = 1
LEAST_SIDE = 32


@dataclass(frozen=True, eq=False)
class FittedLens:
    """Blur and focus of a photograph.

    An interval holds the values at which the mismatch is at most a tenth above that of the best,
    everything else being fitted to them. A wide one means that the photograph does not tell.

    Args:
        bokeh_level: K, px of the photograph (radius) per unit of the depth's disparity.
        bokeh_level_interval: lowest and highest.
        focus: the sharp plane.
        focus_interval: its lowest and highest disparity; equal where the focus was given.
        loss: mismatch of a rendering with these values. Of `fit_camera`: root mean square of the
            difference in coded values, outliers damped; of `fit_bokeh_level`: 1 − SSIM.
        sharp_loss: the same of the all-in-focus picture.
        camera: with the fitted f-number; None if there was none.
        focus_scale: f_s, 1 if it was not fitted.
        problems: what the photograph does not tell, in words.
    """

    bokeh_level: float
    bokeh_level_interval: Interval
    focus: Focus
    focus_interval: Interval
    loss: float
    sharp_loss: float
    camera: Camera | None = None
    focus_scale: float = 1.0
    problems: tuple[str, ...] = ()

    @property
    def focus_distance_m(self) -> float:
        """Metres, infinity where δ_f is 0; metric depth only."""
        return float(self.focus.distance_m[0])

    @property
    def focus_distance_interval_m(self) -> Interval:
        """Nearest and farthest focus distance, metres; metric depth only."""
        far, near = self.focus_interval
        return 1.0 / near if near > 0 else math.inf, 1.0 / far if far > 0 else math.inf

    @property
    def f_number(self) -> float | None:
        """Of the fitted camera."""
        return self.camera.f_number if self.camera else None

    @property
    def f_number_interval(self) -> Interval | None:
        """Lowest and highest f-number; None without a camera or where it was given."""
        if self.camera is None or self.focus_scale != 1.0:
            return None
        # f-number times K is constant.
        low, high = self.bokeh_level_interval
        product = self.camera.f_number * (self.bokeh_level or high)
        return product / high, product / low if low > 0 else math.inf


def fit_camera(
    sharp: Tensor,
    photo: Tensor,
    depth: Depth,
    camera: Camera,
    focus: Focus | None = None,
    unknown: Unknown = "f_number",
    lens: Lens | None = None,
    on_progress: OnProgress | None = None,
) -> FittedLens:
    """Focus distance and f-number (or focus scale) of a photograph.

    F-number and focus scale act on a picture only through `N (f_s z_f − f)`, so one of them has to
    be known.

    Args:
        sharp: all in focus, linear light `[1,3,H,W]`.
        photo: the same view with blur, linear light `[1,3,H,W]`; another exposure does no harm.
        depth: metric.
        camera: focal length and sensor; with "focus_scale" also the f-number.
        focus: the focus, where it is known: then K is found as by `fit_bokeh_level`.
        unknown: what to fit beside the focus.
        lens: renderer for a known focus; BokehMe's if None.
        on_progress: called with the finished fraction, 0..1.

    Raises:
        InputError: nothing can be fitted: relative or constant depth, pictures of different size,
            of different things or out of place, or without any structure.
    """
    if not depth.is_metric:
        raise InputError(
            "camera", "a camera with relative depth", "Give metric depth, or leave the camera out."
        )
    if unknown not in ("f_number", "focus_scale"):
        raise InputError("unknown", repr(unknown), "Give 'f_number' or 'focus_scale'.")
    if focus is None:
        fitted = _fit(sharp, photo, depth, camera.focal_length_mm, on_progress)
    else:
        fitted = fit_bokeh_level(sharp, photo, depth, focus, lens, on_progress)
    return _with_camera(fitted, camera, sharp.shape[-2:], unknown)


def fit_bokeh_level(
    sharp: Tensor,
    photo: Tensor,
    depth: Depth,
    focus: Focus | None = None,
    lens: Lens | None = None,
    on_progress: OnProgress | None = None,
) -> FittedLens:
    """The bokeh level at which a rendering is most like the photograph.

    Generative Refocusing eq. 5: the K with the highest SSIM.

    Args:
        sharp: all in focus, linear light `[1,3,H,W]`.
        photo: the same view with blur, linear light `[1,3,H,W]`.
        depth: metric or relative.
        focus: the sharp plane of one image, such as from `focus_on_mask` (eq. 4). None: it is
            found first, as in `fit_camera`.
        lens: renderer; BokehMe's if None, as in the paper.
        on_progress: called with the finished fraction, 0..1.

    Raises:
        InputError: as `fit_camera`, or several focus planes.
    """
    depth = _checked(sharp, photo, depth)
    fitted = None
    if focus is None:
        fitted = _fit(sharp, photo, depth, on_progress=_part(on_progress, 0.0, 0.5))
        on_progress = _part(on_progress, 0.5, 1.0)
        if fitted.bokeh_level == 0:
            return fitted
        focus = fitted.focus
    elif len(focus.plane) != 1:
        raise InputError("focus", f"{len(focus.plane)} planes", "Give the focus of one image.")
    search = _LevelSearch(sharp, photo, depth, focus, lens or Lens(FIT_LENS), on_progress)
    found = search.run()
    if fitted is None:
        return found
    kept = tuple(problem for problem in fitted.problems if problem not in found.problems)
    return replace(found, focus_interval=fitted.focus_interval, problems=found.problems + kept)


def _part(on_progress: OnProgress | None, start: float, end: float) -> OnProgress | None:
    """Progress of one of several stages."""
    if on_progress is None:
        return None
    return lambda fraction: on_progress(start + fraction * (end - start))


def _fit(
    sharp: Tensor,
    photo: Tensor,
    depth: Depth,
    focal_length_mm: float | None = None,
    on_progress: OnProgress | None = None,
) -> FittedLens:
    """Both K and focus, by least squares."""
    depth = _checked(sharp, photo, depth)
    nearest = 1000.0 / focal_length_mm if focal_length_mm else math.inf
    limits = Limits.of(depth.disparity, depth.is_metric, nearest)
    fit = fit_plane(sharp, photo, depth.disparity, limits, on_progress)
    side = max(sharp.shape[-2:])
    compared = side_for(fit.plane.largest_radius(limits), side)
    disparity = fit.plane.disparity
    focus = Focus.at_disparity(disparity, depth.is_metric)
    if fit.unexplained() > NO_BLUR or (
        fit.plane.largest_radius(limits) * compared < LEAST_RADIUS_PX
    ):
        highest = LEAST_RADIUS_PX / compared / limits.farthest(disparity) * side
        return FittedLens(
            0.0,
            (0.0, highest),
            focus,
            limits.focus,
            fit.loss,
            fit.sharp_loss,
            problems=(_no_blur_text(), "Nothing tells where the focus is."),
        )
    level = fit.plane.level * side
    spread = min(fit.level_spread, 5.0)
    interval = (level * math.exp(-spread), level * math.exp(spread))
    low, high = limits.focus
    focus_interval = (
        max(disparity - fit.disparity_spread, low),
        min(disparity + fit.disparity_spread, high),
    )
    problems = _doubts(fit.level_spread, fit.unexplained())
    if disparity in limits.focus and 0 < disparity < (1.0 if not depth.is_metric else math.inf):
        problems += ("The focus lies far in front of or behind the scene.",)
    if focus_interval[1] - focus_interval[0] > 0.5 * limits.span:
        problems += ("The photo hardly tells where the focus is.",)
    return FittedLens(
        level, interval, focus, focus_interval, fit.loss, fit.sharp_loss, problems=problems
    )


def _no_blur_text() -> str:
    return "The photo is no more blurred than the all-in-focus picture."


def _doubts(level_spread: float, unexplained: float) -> tuple[str, ...]:
    problems = ()
    if level_spread > WIDE_LEVEL:
        problems += ("The photo hardly tells how strong the blur is.",)
    if unexplained > LITTLE_BLUR:
        problems += (
            f"A rendering leaves {100 * min(unexplained, 1.0):.0f} % of the difference between the "
            "two pictures: they may differ by more than blur, or the depth may be wrong.",
        )
    return problems


def _with_camera(
    fitted: FittedLens, camera: Camera, size: torch.Size, unknown: Unknown
) -> FittedLens:
    known = camera.for_image(*size)
    focus_disparity = float(fitted.focus.plane[0])
    # Without blur, the smallest blur that would have been seen bounds the f-number.
    level = fitted.bokeh_level or fitted.bokeh_level_interval[1]
    if unknown == "focus_scale":
        scale = focus_scale_for_bokeh_level(level, known, focus_disparity)
        return replace(fitted, camera=camera, focus_scale=scale)
    f_number = f_number_for_bokeh_level(level, known, focus_disparity)
    problems = fitted.problems
    if not fitted.bokeh_level:
        problems += (f"The f-number is {f_number:.3g} or more.",)
    return replace(fitted, camera=replace(camera, f_number=f_number), problems=problems)


def fit_picture(
    sharp: Tensor, photo: Tensor, depth: Depth, fitted: FittedLens, lens: Lens | None = None
) -> Tensor:
    """A rendering with the fitted values, the photograph, and four times their difference.

    Args:
        sharp: all in focus, linear light `[1,3,H,W]`.
        photo: with blur, linear light `[1,3,H,W]`.
        depth: the same as was fitted with.
        fitted: the result.
        lens: renderer; BokehMe's if None.

    Returns:
        Side by side `[1,3,H,3·W]`, sRGB 0..1.
    """
    scene = depth.resized(*sharp.shape[-2:])
    defocus = defocus_from_bokeh_level(scene, fitted.focus, fitted.bokeh_level)
    rendered = coded(render(sharp, defocus, lens or Lens(FIT_LENS)))
    taken = coded(photo)
    return torch.cat([rendered, taken, (4.0 * (rendered - taken).abs()).clamp(max=1.0)], dim=-1)


class _LevelSearch:
    """Search for K with a given focus: a scan, then a golden section in larger pictures."""

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
        problems = _doubts(spread, loss / sharp_loss)
        return FittedLens(
            level, interval, self.focus, (plane, plane), loss, sharp_loss, problems=problems
        )

    def _unblurred(self, side: int, loss: float) -> FittedLens:
        plane = float(self.focus.plane[0])
        highest = LEAST_RADIUS_PX / side * self.side / self.farthest
        interval = (0.0, highest)
        return FittedLens(
            0.0, interval, self.focus, (plane, plane), loss, loss, problems=(_no_blur_text(),)
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
        picture = coded(render(pair.sharp, defocus, self.lens) if level > 0 else pair.sharp)
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


def _checked(sharp: Tensor, photo: Tensor, depth: Depth) -> Depth:
    """The depth at the size of the pictures, if anything can be fitted at all."""
    for subject, image in (("all_in_focus", sharp), ("bokeh", photo)):
        if len(image) != 1:
            raise InputError(subject, f"{len(image)} images", "Give one; fit each pair by itself.")
        check_finite(image, subject)
    if sharp.shape != photo.shape:
        sizes = [f"{image.shape[-1]}×{image.shape[-2]}" for image in (sharp, photo)]
        raise InputError(
            "all_in_focus, bokeh",
            f"pictures of {sizes[0]} and {sizes[1]} px",
            "Give two pictures of the same view and size.",
        )
    if min(sharp.shape[-2:]) < LEAST_SIDE:
        size = f"{sharp.shape[-1]}×{sharp.shape[-2]} px"
        raise InputError(
            "all_in_focus, bokeh", size, f"Give pictures of {LEAST_SIDE} px or more on each side."
        )
    if len(depth.disparity) != 1:
        raise InputError("depth", f"{len(depth.disparity)} maps", "Give one.")
    low, high = float(depth.disparity.amin()), float(depth.disparity.amax())
    if not high - low > 1e-4 * high:
        raise InputError(
            "depth",
            "a scene all at one distance",
            "Blur and focus cannot be told apart there; take a scene with depth.",
        )
    _check_alike(sharp, photo)
    return depth.for_image(*sharp.shape[-2:])


def _check_alike(sharp: Tensor, photo: Tensor) -> None:
    """Refuse pictures of different things and pictures that are shifted against each other."""
    first, second = (_thumbnail(image, LIKENESS_SIDE) for image in (sharp, photo))
    likeness = _correlation(first, second)
    if likeness < LEAST_CORRELATION:
        raise InputError(
            "all_in_focus, bokeh",
            f"pictures that are hardly alike (correlation {max(likeness, 0.0):.2f})",
            "Give two pictures of the same view, with something to see in both.",
        )
    first, second = (_thumbnail(image, ALIGNMENT_SIDE) for image in (sharp, photo))
    down, right = _shift(first, second)
    if max(abs(down), abs(right)) > ALLOWED_SHIFT:
        scale = max(sharp.shape[-2:]) / max(first.shape[-2:])
        shift = f"{right * scale:+.0f} px across and {down * scale:+.0f} px down"
        raise InputError(
            "all_in_focus, bokeh",
            f"a photo that is shifted against the all-in-focus picture by about {shift}",
            "Align the two pictures.",
        )


def _thumbnail(image: Tensor, side: int) -> Tensor:
    """Coded luminance `[1,1,h,w]` with a longest edge of `side` px at most."""
    height, width = image.shape[-2:]
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return F.interpolate(luminance(coded(image)), size, mode="bilinear", antialias=True)


def _shift(first: Tensor, second: Tensor) -> tuple[int, int]:
    """By how many px (down, right) the second picture lies off the first; blur does not move it."""
    rows, columns = first.shape[-2:]
    reach = min(LARGEST_SHIFT, min(rows, columns) // 8)
    inner = second[..., reach : rows - reach, reach : columns - reach]

    def likeness(shift: tuple[int, int]) -> float:
        top, left = reach - shift[0], reach - shift[1]
        moved = first[..., top : top + rows - 2 * reach, left : left + columns - 2 * reach]
        return _correlation(moved, inner)

    steps = range(-reach, reach + 1)
    return max(product(steps, steps), key=likeness)


def _correlation(first: Tensor, second: Tensor) -> float:
    """Pearson's, -1..1; 0 where one has no structure."""
    first, second = (image - image.mean() for image in (first, second))
    norm = float((first.square().sum() * second.square().sum()).sqrt())
    return float((first * second).sum()) / norm if norm > 1e-6 * first.numel() else 0.0
