"""The result of a fit: blur and focus of a photograph, and how well they are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..focus import Focus
from ..optics import Camera

Interval = tuple[float, float]

# A rendering that leaves more of the difference than this is no better than the sharp picture.
NO_BLUR = 0.98
NO_BLUR_TEXT = "The photo is no more blurred than the all-in-focus picture."
LITTLE_BLUR = 0.7
# Where ln K is known no better than this, it is said.
WIDE_LEVEL = 0.3


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


def doubts(level_spread: float, unexplained: float) -> tuple[str, ...]:
    """What a photograph does not tell, in words.

    Args:
        level_spread: half width of the interval of ln K.
        unexplained: part of the difference between the two pictures that a rendering leaves.
    """
    problems = ()
    if level_spread > WIDE_LEVEL:
        problems += ("The photo hardly tells how strong the blur is.",)
    if unexplained > LITTLE_BLUR:
        problems += (
            f"A rendering leaves {100 * min(unexplained, 1.0):.0f} % of the difference between the "
            "two pictures: they may differ by more than blur, or the depth may be wrong.",
        )
    return problems
