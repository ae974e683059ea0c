"""The picture that renderers are timed on: like a photo, over depth with hard edges."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Of 1024×1024 px; larger pictures have more.
HIGHLIGHTS = 200
HIGHLIGHT_GAIN = 20.0
# Mean blur radius of the scene as a share of the largest: much blur, as in a portrait.
MEAN_BLUR = 0.64
# Texture of larger pictures repeats, mirrored: transforms of 100 MP would take gigabytes.
LARGEST_TEXTURE = 2048

Image = NDArray[np.float32]


def timed_scene(height: int, width: int, seed: int = 0) -> tuple[Image, Image]:
    """A picture and its blur.

    Args:
        height, width: px.
        seed: another seed, another scene.

    Returns:
        Linear image `[3,H,W]`, 0..1 with single pixels at `HIGHLIGHT_GAIN`, and signed defocus
        `[H,W]` for a largest blur radius of 1 px: `max |r| = 1`, mean `|r|` near `MEAN_BLUR`.
    """
    random = np.random.default_rng(seed)
    objects = _object_ids(height, width, random)
    image = _photo(objects, random)
    count = max(1, round(HIGHLIGHTS * height * width / 1024**2))
    y, x = (random.integers(0, side, count) for side in (height, width))
    image[:, y, x] = HIGHLIGHT_GAIN
    return image, _defocus(_disparity(objects, random))


def _object_ids(height: int, width: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """`[H,W]`: 0 is the background, later objects (ellipses, turned boxes) cover earlier."""
    ids = np.zeros((height, width), np.uint8)
    y, x = _coordinates(height, width)
    for number in range(1, 13):
        center_y, center_x = random.random(2)
        half_height, half_width = random.uniform(0.03, 0.16, 2)
        turn = random.uniform(0.0, math.pi)
        power = 2 if number % 2 else 8
        reach = math.hypot(half_height, half_width)
        rows, columns = _span(center_y, reach, height), _span(center_x, reach, width)
        off_y, off_x = y[rows] - center_y, x[:, columns] - center_x
        u = math.cos(turn) * off_x + math.sin(turn) * off_y
        v = math.cos(turn) * off_y - math.sin(turn) * off_x
        inside = np.abs(u / half_width) ** power + np.abs(v / half_height) ** power < 1.0
        ids[rows, columns][inside] = number
    return ids


def _span(center: float, reach: float, count: int) -> slice:
    """The part of `count` pixels within `reach` of `center`, both as shares of the whole."""
    return slice(max(0, int((center - reach) * count)), int((center + reach) * count) + 2)


def _coordinates(height: int, width: int) -> tuple[Image, Image]:
    """Columns `[H,1]` and rows `[1,W]` of positions, 0..1 each."""
    y, x = (np.arange(side, dtype=np.float32) / np.float32(side) for side in (height, width))
    return y[:, None], x[None]


def _photo(objects: NDArray[np.uint8], random: np.random.Generator) -> Image:
    """Every object in its own colour, with texture at all scales."""
    tint = random.uniform(-2.5, 0.0, (3, objects.max() + 1)).astype(np.float32)
    shade = 0.5 * _clouds(*objects.shape, random)
    image = np.empty((3, *objects.shape), np.float32)
    for channel in range(3):
        image[channel] = tint[channel][objects]
        image[channel] += shade
        image[channel] += 0.25 * _clouds(*objects.shape, random)
    return np.exp(np.minimum(image, 0.0, out=image), out=image)


def _clouds(height: int, width: int, random: np.random.Generator) -> Image:
    """`[H,W]` noise with the 1/f spectrum of photographs, mean 0, deviation 1."""
    size = min(max(height, width), LARGEST_TEXTURE)
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    frequency = np.maximum(np.hypot(fy, fx), 1.0 / size)
    noise = np.fft.irfft2(
        np.fft.rfft2(random.standard_normal((size, size))) / frequency, (size, size)
    )
    noise = ((noise - noise.mean()) / noise.std()).astype(np.float32)
    return noise[_mirrored(height, size)][:, _mirrored(width, size)]


def _mirrored(count: int, period: int) -> NDArray[np.intp]:
    """0, 1 .. period - 1, period - 1 .. 0, 0, 1 .. of `count` in all."""
    place = np.arange(count) % (2 * period)
    return np.minimum(place, 2 * period - 1 - place)


def _disparity(objects: NDArray[np.uint8], random: np.random.Generator) -> Image:
    """`[H,W]` in 0..1: the background recedes upwards, objects are slanted and uneven."""
    y, x = (line - 0.5 for line in _coordinates(*objects.shape))
    distance = np.linspace(0.25, 0.9, objects.max() + 1, dtype=np.float32)
    distance[0] = 0.12
    slope_y, slope_x = random.uniform(-0.15, 0.15, (2, len(distance))).astype(np.float32)
    slope_y[0] = 0.2
    disparity = np.float32(0.01) * _clouds(*objects.shape, random)
    disparity += distance[objects]
    disparity += slope_y[objects] * y
    disparity += slope_x[objects] * x
    return np.clip(disparity, 0.0, 1.0, out=disparity)


def _defocus(disparity: Image) -> Image:
    """Signed blur radius, focused where its mean comes nearest to `MEAN_BLUR` of the largest."""
    step = max(1, max(disparity.shape) // 1024)
    sample = disparity[::step, ::step]

    def mean_blur(focus: float) -> float:
        blur = np.abs(sample - focus)
        return float(blur.mean() / blur.max())

    focus = min(np.linspace(0.1, 0.9, 81), key=lambda plane: abs(mean_blur(plane) - MEAN_BLUR))
    defocus = disparity - np.float32(focus)
    return defocus / np.abs(defocus).max()
