"""Whether a picture, its photograph and their depth are such that anything can be fitted."""

from __future__ import annotations

from itertools import product

import torch.nn.functional as F
from torch import Tensor

from ...errors import InputError
from ..color import displayed, luminance
from ..depth import Depth
from ..image import check_finite

LEAST_SIDE = 32
# Two pictures of one view: their luminance correlates at least so, and best in place.
LEAST_CORRELATION = 0.5
LIKENESS_SIDE = 48
ALIGNMENT_SIDE = 192
LARGEST_SHIFT = 8
ALLOWED_SHIFT = 1


def check_pair(sharp: Tensor, photo: Tensor, depth: Depth) -> Depth:
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
    return F.interpolate(luminance(displayed(image)), size, mode="bilinear", antialias=True)


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
