"""What artists' packs do today: the picture in levels of depth, each blurred as a whole.

Levels lie at equal steps of the blur radius, one of them in focus. Every pixel is shared between
its two levels. Colour and mask of a level are blurred together, by a Gaussian or by a disc, and the
levels are laid over each other from back to front. What they leave open between them is divided
out. In linear light, on OpenCV.

Tried on the 32 truth scenes, and worse: every pixel taken from the picture blurred by its level
(1.2 dB), pixels in one level only (0.2 dB), masks of all that is nearer (5 dB), 8 levels (0.1 to
0.2 dB), no level in focus (0.2 dB), 24 and 32 levels (0.1 to 0.4 dB).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

LEVELS = 16
# A disc's second moment asks for 0.5; 0.42 loses 1.7 dB, 0.6 gains 0.1 dB.
SIGMA_PER_RADIUS = 0.6


def gaussian_stack(image: Image, defocus: Image, levels: int = LEVELS) -> Image:
    """Levels blurred by Gaussians.

    Args:
        image: `[3,H,W]` linear light.
        defocus: `[H,W]` signed blur radius, px, positive in front of the focus.
        levels: over the range of the blur.

    Returns:
        `[3,H,W]` linear light.
    """
    return _stacked(image, defocus, levels, _gaussian)


def disc_stack(image: Image, defocus: Image, levels: int = LEVELS) -> Image:
    """Levels convolved with discs; arguments as above."""
    return _stacked(image, defocus, levels, _convolved)


def _stacked(
    image: Image, defocus: Image, levels: int, blurred: Callable[[Image, float], Image]
) -> Image:
    height, width = defocus.shape
    premultiplied = np.empty((height, width, 4), np.float32)
    total = np.zeros((height, width, 4), np.float32)
    colour = np.moveaxis(image, 0, -1)
    low, high = float(defocus.min()), float(defocus.max())
    step = max((high - low) / (levels - 1), 1e-6)
    for index in range(math.floor(low / step), math.ceil(high / step) + 1):
        mask = np.clip(1.0 - np.abs(defocus / np.float32(step) - index), 0.0, 1.0)
        if not mask.any():
            continue
        np.multiply(colour, mask[..., None], out=premultiplied[..., :3])
        premultiplied[..., 3] = mask
        level = blurred(premultiplied, abs(index * step))
        total *= 1.0 - level[..., 3:]
        total += level
    return np.moveaxis(total[..., :3] / np.maximum(total[..., 3:], 1e-4), -1, 0)


def _gaussian(light: Image, radius: float) -> Image:
    sigma = SIGMA_PER_RADIUS * radius
    if sigma < 0.3:
        return light
    size = 2 * math.ceil(3.0 * sigma) + 1
    return cv2.GaussianBlur(light, (size, size), sigma, borderType=cv2.BORDER_REPLICATE)


def _convolved(light: Image, radius: float) -> Image:
    if radius <= 0.5:
        return light
    reach = math.ceil(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0.0, 1.0)
    kernel = (disc / disc.sum()).astype(np.float32)
    return cv2.filter2D(light, -1, kernel, borderType=cv2.BORDER_REPLICATE)
