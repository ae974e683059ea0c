"""Longitudinal chromatic aberration: red and blue focus behind green, so that blur has a colour.

A lens that is corrected for two colours brings red and blue to one focus and green to one a little
closer to itself (the secondary spectrum). With green in focus, red and blue are blurred as if
everything were a little nearer: more in front of the focus, where their discs stand out as magenta
fringes, and less behind it, where green ones do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .aperture import Aperture
from .progress import OnProgress, part_of
from .view import View


def axial_shift(aperture: Aperture, picture_height: int, picture_width: int) -> float:
    """By how much the signed blur radius of red and blue exceeds that of green, px."""
    return aperture.axial_chromatism / 1000.0 * math.hypot(picture_height, picture_width)


def render_in_colors(
    render_one: Callable[..., Tensor],
    image: Tensor,
    defocus: Tensor,
    aperture: Aperture,
    options: Any,
    on_progress: OnProgress | None = None,
    view: View | None = None,
) -> Tensor:
    """Render with any renderer, red and blue focused elsewhere than green.

    Both renderings are of all three colours, because renderers look for edges in them. Without
    axial chromatism, or in a picture that has not three colours, there is only one.

    Args:
        render_one: the renderer; all other arguments are its own.
        image: linear light `[B,C,H,W]`.
        defocus: signed blur radius `[B,1,H,W]` of green, px.
        aperture: its `axial_chromatism` is honoured here, all else by the renderer.
        options: of the renderer. Those that hold defocus of their own have `shifted(px)`.
        on_progress: called with the finished fraction, 0..1.
        view: where the image lies in the whole picture; it is all of it if None.

    Returns:
        Linear light `[B,C,H,W]`.
    """
    view = view or View.of(defocus)
    shift = axial_shift(aperture, view.picture_height, view.picture_width)
    if shift == 0.0 or image.shape[1] != 3:
        return render_one(image, defocus, aperture, options, on_progress, view)

    green = render_one(image, defocus, aperture, options, part_of(on_progress, 0, 2), view)[:, 1]
    if hasattr(options, "shifted"):
        options = options.shifted(shift)
    others = render_one(
        image,
        defocus + shift,
        aperture,
        options,
        part_of(on_progress, 1, 2),
        view.shifted(shift),
    )
    return torch.stack([others[:, 0], green, others[:, 2]], dim=1)
