"""Small pictures with defocus maps that lenses and oracles are compared on."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def photo(height: int, width: int, seed: int = 0) -> Array:
    """`[3,H,W]`, 0..1: waves and a few boxes with hard edges."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = [
        np.sin(2 * np.pi * (fy * y + fx * x + phase))
        for fy, fx, phase in random.uniform(0.0, 4.0, (3, 3))
    ]
    image = 0.5 + 0.25 * np.stack(waves)
    for _ in range(6):
        rows, columns = _box(height, width, random)
        image[:, rows, columns] = random.uniform(0.05, 0.95, (3, 1, 1))
    return image


def defocus_map(height: int, width: int, largest: float, seed: int = 0) -> Array:
    """`[H,W]` of both signs: a slope through the focus with boxes in front and behind."""
    random = np.random.default_rng(seed + 100)
    y, x = np.mgrid[:height, :width] / max(height, width)
    defocus = largest * (1.4 * (0.7 * y + 0.3 * x) - 0.5)
    for _ in range(4):
        rows, columns = _box(height, width, random)
        defocus[rows, columns] = random.uniform(-largest, largest)
    return np.clip(defocus, -largest, largest)


def _box(height: int, width: int, random: np.random.Generator) -> tuple[slice, slice]:
    top, left = int(random.integers(0, height)), int(random.integers(0, width))
    tall, wide = random.integers(2, 3 + max(height, width) // 3, 2)
    return slice(top, top + int(tall)), slice(left, left + int(wide))


def psnr(a: Array, b: Array) -> float:
    """Similarity of two linear pictures, peak 1, in dB."""
    error = float(np.mean((np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2))
    return math.inf if error == 0.0 else -10.0 * math.log10(error)
