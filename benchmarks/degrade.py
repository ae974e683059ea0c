"""Depth as it comes in practice: the exact disparity of the truth scenes, made worse.

BokehMe and BokehDiff test robustness with eroded and dilated disparity. Blurred, quantised and
coarse maps are what depth networks, depth packs and JPEG files add to that. Every procedure takes
and gives disparity `[H,W]` float32 in 1/m, and gives the same numbers each time.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from kornia.filters import gaussian_blur2d
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

Disparity = NDArray[np.float32]

JPEG_QUALITY = 85
# Edges of `displaced` move by this root mean square, in waves of about this length.
DISPLACEMENT_PX = 1.5
WAVELENGTH_PX = 40.0


def dilated(disparity: Disparity, radius: int) -> Disparity:
    """Near surfaces grow by `radius` px."""
    size = 2 * radius + 1
    padded = F.pad(_batched(disparity), (radius,) * 4, mode="replicate")
    return F.max_pool2d(padded, size, stride=1)[0, 0].numpy()


def eroded(disparity: Disparity, radius: int) -> Disparity:
    """Near surfaces shrink by `radius` px."""
    return -dilated(-disparity, radius)


def blurred(disparity: Disparity, sigma: float) -> Disparity:
    """Edges become ramps: a Gaussian of `sigma` px."""
    size = 2 * int(np.ceil(3 * sigma)) + 1
    soft = gaussian_blur2d(_batched(disparity), (size, size), (sigma, sigma), "replicate")
    return soft[0, 0].numpy()


def jpeg(disparity: Disparity, quality: int = JPEG_QUALITY) -> Disparity:
    """Stored as a grey 8-bit JPEG that spans the range of the map, and read again."""
    low, high = float(disparity.min()), float(disparity.max())
    span = max(high - low, 1e-12)
    levels = np.round(255 * (disparity - low) / span).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=quality)
    return (low + np.asarray(Image.open(file), np.float32) * (span / 255)).astype(np.float32)


def coarse(disparity: Disparity, factor: int) -> Disparity:
    """Estimated at a `factor`-th of the size and scaled up bilinearly."""
    height, width = disparity.shape
    small = F.interpolate(
        _batched(disparity), (height // factor, width // factor), mode="bilinear", antialias=True
    )
    return F.interpolate(small, (height, width), mode="bilinear")[0, 0].numpy()


def displaced(disparity: Disparity, seed: int = 0) -> Disparity:
    """Edges lie beside those of the picture: every place looks up the depth of a nearby one."""
    height, width = disparity.shape
    random = np.random.default_rng(seed)
    offset = np.stack([_waves(height, width, random) for _ in range(2)], -1)  # x, y in px
    y, x = np.mgrid[:height, :width].astype(np.float32)
    place = np.stack([x, y], -1) + DISPLACEMENT_PX * offset
    # grid_sample counts from -1 to 1 over the outer edges of the picture.
    grid = (2 * place + 1) / np.array([width, height]) - 1
    moved = F.grid_sample(
        _batched(disparity),
        torch.from_numpy(grid.astype(np.float32))[None],
        mode="nearest",
        padding_mode="border",
        align_corners=False,
    )
    return moved[0, 0].numpy()


def estimated(disparity: Disparity) -> Disparity:
    """All that a depth network and a file do together: displaced, at half size, as JPEG."""
    return jpeg(coarse(displaced(disparity), 2))


DEGRADATIONS: dict[str, Callable[[Disparity], Disparity]] = {
    "exact": lambda disparity: disparity,
    "eroded 2 px": lambda disparity: eroded(disparity, 2),
    "dilated 2 px": lambda disparity: dilated(disparity, 2),
    "blurred σ 2 px": lambda disparity: blurred(disparity, 2.0),
    f"8 bit, JPEG {JPEG_QUALITY}": jpeg,
    "half size": lambda disparity: coarse(disparity, 2),
    "displaced": displaced,
    "estimated": estimated,
}


def _batched(disparity: Disparity) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(disparity))[None, None]


def _waves(height: int, width: int, random: np.random.Generator) -> Disparity:
    """Smooth noise `[H,W]` of unit deviation without waves much shorter than `WAVELENGTH_PX`."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    low_pass = np.exp(-((WAVELENGTH_PX * np.hypot(fy, fx)) ** 2))
    noise = np.fft.irfft2(
        np.fft.rfft2(random.standard_normal((height, width))) * low_pass, (height, width)
    )
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)
