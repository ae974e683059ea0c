"""Clipped highlights of arrays, for pipelines that render elsewhere; `render` has it built in."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..lens import highlights as lens_highlights
from ..lens.highlights import Highlights
from .devices import device_called
from .render import Array, opened


def recover_highlights(
    image: Array,
    highlights: Highlights | None = None,
    *,
    linear: bool = False,
    device: torch.device | str | None = None,
) -> Array:
    """Give clipped highlights light above white, before something spreads it.

    Args:
        image: `[H,W,3]` or `[B,H,W,3]` floats, sRGB-coded; negative values are taken as 0.
        highlights: how much, and from where on; None for the defaults.
        linear: `image` is linear light, and so is the result.
        device: where to compute; by default where the image is.

    Returns:
        As `image`, with values above 1: in linear light up to 2^stops, in sRGB their code.

    Raises:
        InputError: another shape, NaN or infinite pixels.

    Example:
        >>> bright = recover_highlights(photo, Highlights(stops=4))
    """
    return _changed(lens_highlights.recover_highlights, image, highlights, linear, device)


def compress_highlights(
    image: Array,
    highlights: Highlights | None = None,
    *,
    linear: bool = False,
    device: torch.device | str | None = None,
) -> Array:
    """Undo `recover_highlights` after the blur: what stayed sharp gets its values back.

    Arguments and errors are those of `recover_highlights`.

    Returns:
        As `image`, with what was above white softly rolled off.
    """
    return _changed(lens_highlights.compress_highlights, image, highlights, linear, device)


def _changed(
    change: Callable[[Tensor, Highlights], Tensor],
    image: Array,
    highlights: Highlights | None,
    linear: bool,
    device: torch.device | str | None,
) -> Array:
    pictures, restore = opened(image)
    chosen = highlights or Highlights()
    return restore(
        lens_highlights.in_pictures(change, pictures, chosen, linear, device_called(device))
    )
