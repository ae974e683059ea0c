"""The scatter renderer as published, on one thread, and the scene that renderers are timed on.

The baseline of the speed tables is BokehMe's classical scatter (classical_renderer/scatter.py). Its
CUDA kernel runs one thread per source pixel; here the same formula and the same window are a loop
over source pixels, compiled by numba. Nothing is held back: what does not depend on the offset is
computed once per source pixel, colours and weight lie side by side in memory, and light that leaves
the frame costs nothing. Most of the time goes into `tanh`. float64 throughout: float32 was no
faster (0.73 s against 0.71 s, 256×256, radii 0..20), and so the result is the truth as well.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

HIGHLIGHTS = 200
HIGHLIGHT_GAIN = 20.0
# Mean blur radius of the scene as a share of the largest: much blur, as in a portrait.
MEAN_BLUR = 0.64
DISPLAY_GAMMA = 2.2

Image = NDArray[np.float32]
Sums = NDArray[np.float64]


@njit(cache=True)
def naive_scatter(image: Image, defocus: Image) -> Sums:
    """Scatter every source pixel over its own disc.

    Args:
        image: `[3,H,W]` linear.
        defocus: `[H,W]` signed blur radius, px.

    Returns:
        `[H,W,4]`: the weighted sums of the three colours, and the sum of the weights.
    """
    _, height, width = image.shape
    sums = np.zeros((height, width, 4))
    for y in range(height):
        for x in range(width):
            red, green, blue = image[0, y, x], image[1, y, x], image[2, y, x]
            radius = abs(float(defocus[y, x]))
            reach = int(radius) + 1
            scale = 1.0 / (radius * radius + 0.2)
            for target_y in range(max(y - reach, 0), min(y + reach + 1, height)):
                for target_x in range(max(x - reach, 0), min(x + reach + 1, width)):
                    distance = math.sqrt((target_x - x) ** 2 + (target_y - y) ** 2)
                    weight = (0.5 + 0.5 * math.tanh(4.0 * (radius - distance))) * scale
                    sums[target_y, target_x, 0] += weight * red
                    sums[target_y, target_x, 1] += weight * green
                    sums[target_y, target_x, 2] += weight * blue
                    sums[target_y, target_x, 3] += weight
    return sums


def naive_bokeh(image: Image, defocus: Image) -> Sums:
    """The picture that the published renderer makes: `[3,H,W]`, linear."""
    sums = naive_scatter(image, defocus)
    return np.moveaxis(sums[..., :3] / sums[..., 3:], -1, 0)


def benchmark_scene(r_max: float, size: int = 1024, seed: int = 0) -> tuple[Image, Image]:
    """A photo-like picture with point highlights, over depth with hard edges.

    Args:
        r_max: largest blur radius, px.
        size: height and width, px.
        seed: another seed, another scene.

    Returns:
        Linear image `[3,size,size]`, 0..1 with `HIGHLIGHTS` single pixels at `HIGHLIGHT_GAIN`, and
        signed defocus `[size,size]` with `max |r| = r_max` and mean `|r|` near `MEAN_BLUR · r_max`.
    """
    random = np.random.default_rng(seed)
    objects = _object_ids(size, random)
    image = _photo(objects, random)
    y, x = random.integers(0, size, (2, HIGHLIGHTS))
    image[:, y, x] = HIGHLIGHT_GAIN
    return image, _defocus(_disparity(objects, random), r_max)


def psnr(a: Sums | Image, b: Sums | Image) -> float:
    """Similarity of two linear pictures as a screen shows them (gamma 2.2, peak 1), in dB."""
    shown = [
        np.clip(picture, 0.0, 1.0).astype(np.float64) ** (1.0 / DISPLAY_GAMMA) for picture in (a, b)
    ]
    error = float(np.mean((shown[0] - shown[1]) ** 2))
    return math.inf if error == 0.0 else -10.0 * math.log10(error)


def _object_ids(size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """`[size,size]`: 0 is the background, later objects (ellipses, turned boxes) cover earlier."""
    ids = np.zeros((size, size), np.int64)
    y, x = np.mgrid[:size, :size] / size
    for number in range(1, 13):
        center_y, center_x = random.random(2)
        half_height, half_width = random.uniform(0.03, 0.16, 2)
        turn = random.uniform(0.0, math.pi)
        u = math.cos(turn) * (x - center_x) + math.sin(turn) * (y - center_y)
        v = math.cos(turn) * (y - center_y) - math.sin(turn) * (x - center_x)
        power = 2 if number % 2 else 8
        ids[np.abs(u / half_width) ** power + np.abs(v / half_height) ** power < 1.0] = number
    return ids


def _photo(objects: NDArray[np.int64], random: np.random.Generator) -> Image:
    """Every object in its own colour, with texture at all scales."""
    size = len(objects)
    tint = random.uniform(-2.5, 0.0, (3, objects.max() + 1))
    shade = 0.5 * _clouds(size, random) + 0.25 * np.stack([_clouds(size, random) for _ in range(3)])
    return np.exp(np.minimum(tint[:, objects] + shade, 0.0)).astype(np.float32)


def _clouds(size: int, random: np.random.Generator) -> NDArray[np.float64]:
    """`[size,size]` noise with the 1/f spectrum of photographs, mean 0, deviation 1."""
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    frequency = np.maximum(np.hypot(fy, fx), 1.0 / size)
    noise = np.fft.irfft2(
        np.fft.rfft2(random.standard_normal((size, size))) / frequency, (size, size)
    )
    return (noise - noise.mean()) / noise.std()


def _disparity(objects: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.float64]:
    """`[size,size]` in 0..1: the background recedes upwards, objects are slanted and uneven."""
    size = len(objects)
    y, x = np.mgrid[:size, :size] / size - 0.5
    distance = np.linspace(0.25, 0.9, objects.max() + 1)
    distance[0] = 0.12
    slope_y, slope_x = random.uniform(-0.15, 0.15, (2, len(distance)))
    slope_y[0] = 0.2
    relief = 0.01 * _clouds(size, random)
    plane = distance[objects] + slope_y[objects] * y + slope_x[objects] * x
    return np.clip(plane + relief, 0.0, 1.0)


def _defocus(disparity: NDArray[np.float64], r_max: float) -> Image:
    """Signed blur radius, focused where its mean comes nearest to `MEAN_BLUR · r_max`."""

    def mean_blur(focus: float) -> float:
        blur = np.abs(disparity - focus)
        return float(blur.mean() / blur.max())

    focus = min(np.linspace(0.1, 0.9, 81), key=lambda plane: abs(mean_blur(plane) - MEAN_BLUR))
    defocus = disparity - focus
    return (defocus * (r_max / np.abs(defocus).max())).astype(np.float32)
