"""Which lens took a photograph: strength of the blur and focus, from the photograph, an
all-in-focus picture of the same view, and its depth.

Two criteria, for two uses. `fit_camera` finds focus distance and f-number together, by least
squares through the differentiable TAF lens (`fit_least_squares`). `fit_bokeh_level` finds the bokeh
level K at which a rendering is most like the photograph by SSIM (`fit_level`), which is how
Generative Refocusing labels photographs without EXIF (eq. 5); its focus may come from a mask
(eq. 4) or from the same fit.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from ...errors import InputError
from ..color import displayed
from ..defocus import defocus_from_bokeh_level
from ..depth import Depth
from ..focus import Focus
from ..optics import Camera, f_number_for_bokeh_level, focus_scale_for_bokeh_level
from ..progress import OnProgress
from ..render import Lens, render
from .check import check_pair
from .fitted_lens import NO_BLUR, NO_BLUR_TEXT, FittedLens, doubts
from .least_squares import fit_plane
from .level import LevelSearch
from .pair import LEAST_RADIUS_PX, side_for
from .plane import Limits

Unknown = Literal["f_number", "focus_scale"]

# The renderer of Generative Refocusing eq. 5.
FIT_LENS = "bokehme"


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
    depth = check_pair(sharp, photo, depth)
    fitted = None
    if focus is None:
        fitted = _fit(sharp, photo, depth, on_progress=_part(on_progress, 0.0, 0.5))
        on_progress = _part(on_progress, 0.5, 1.0)
        if fitted.bokeh_level == 0:
            return fitted
        focus = fitted.focus
    elif len(focus.plane) != 1:
        raise InputError("focus", f"{len(focus.plane)} planes", "Give the focus of one image.")
    search = LevelSearch(sharp, photo, depth, focus, lens or Lens(FIT_LENS), on_progress)
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
    depth = check_pair(sharp, photo, depth)
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
            problems=(NO_BLUR_TEXT, "Nothing tells where the focus is."),
        )
    level = fit.plane.level * side
    spread = min(fit.level_spread, 5.0)
    interval = (level * math.exp(-spread), level * math.exp(spread))
    low, high = limits.focus
    focus_interval = (
        max(disparity - fit.disparity_spread, low),
        min(disparity + fit.disparity_spread, high),
    )
    problems = doubts(fit.level_spread, fit.unexplained())
    if disparity in limits.focus and 0 < disparity < (1.0 if not depth.is_metric else math.inf):
        problems += ("The focus lies far in front of or behind the scene.",)
    if focus_interval[1] - focus_interval[0] > 0.5 * limits.span:
        problems += ("The photo hardly tells where the focus is.",)
    return FittedLens(
        level, interval, focus, focus_interval, fit.loss, fit.sharp_loss, problems=problems
    )


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
    rendered = displayed(render(sharp, defocus, lens or Lens(FIT_LENS)))
    taken = displayed(photo)
    return torch.cat([rendered, taken, (4.0 * (rendered - taken).abs()).clamp(max=1.0)], dim=-1)
