"""Where a photograph was focused and how strongly it blurs, from its all-in-focus twin and depth.

Both are one fit: blur radius `r = K |δ − δ_f|` with two unknowns, the bokeh level K and the focus
disparity δ_f. From the best few of an exhaustive search (`fit_search`), Gauss-Newton steps with the
TAF lens' own gradient (`fit_comparison`) go on, in ever larger pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..progress import OnProgress
from .comparison import TINY, Comparison, trust_in
from .pair import SIDES, START_SIDE, Pair, side_for
from .plane import Limits, Plane, PlaneFit
from .search import search_planes

# Longest edge of the pictures that the search compares, px.
SEARCH_SIDE = 160

STEPS = 12
FIRST_STEPS = 6
# Steps are those of δ_f, as a fraction of the scene's range, and of ln K.
SMALL_STEP = 1e-3
LARGE_STEP = (0.15, 0.4)


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
        here.weigh(trust_in(plane.radius(pair)))
        if max(map(abs, step)) < SMALL_STEP:
            break
    return here.fit()


def _step(normal: Tensor, descent: Tensor, damping: float) -> tuple[float, float]:
    """Change of δ_f, of the scene's range, and of ln K."""
    damped = normal + torch.diag(damping * normal.diagonal() + TINY)
    largest = torch.tensor(LARGE_STEP, dtype=normal.dtype)
    first, second = torch.linalg.solve(damped, descent).clamp(-largest, largest).tolist()
    return first, second
