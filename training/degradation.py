"""Depth as it comes in practice: exact maps made worse.

BokehMe and BokehDiff test robustness with eroded and dilated disparity. Blurred, quantised, coarse
and displaced maps are what depth networks and files add to that. Every function takes and gives a
map `[B,1,H,W]`, larger = nearer, such as disparity or defocus.
"""

from __future__ import annotations

import io

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .noise import smooth_waves


def dilated(nearness: Tensor, radius: int) -> Tensor:
    """Near surfaces grow by `radius` px."""
    padded = F.pad(nearness, (radius,) * 4, mode="replicate")
    return F.max_pool2d(padded, 2 * radius + 1, stride=1)


def eroded(nearness: Tensor, radius: int) -> Tensor:
    """Near surfaces shrink by `radius` px."""
    return -dilated(-nearness, radius)


def blurred(nearness: Tensor, sigma: float) -> Tensor:
    """Edges become ramps: a Gaussian of `sigma` px."""
    reach = int(np.ceil(3 * sigma))
    steps = torch.arange(-reach, reach + 1, dtype=nearness.dtype, device=nearness.device)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(nearness, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def coarse(nearness: Tensor, factor: int) -> Tensor:
    """Estimated at a `factor`-th of the size and scaled up bilinearly."""
    height, width = nearness.shape[-2:]
    size = (max(1, height // factor), max(1, width // factor))
    small = F.interpolate(nearness, size, mode="bilinear", antialias=True)
    return F.interpolate(small, (height, width), mode="bilinear")


def displaced(
    nearness: Tensor, distance: float, wavelength: float, random: np.random.Generator
) -> Tensor:
    """Edges lie beside those of the picture: every place looks up the map at a nearby one.

    Args:
        nearness: the map.
        distance: root mean square of the displacement in each direction, px.
        wavelength: the displacement has no waves much shorter than this, px.
        random: decides the waves, the same for the whole batch.
    """
    height, width = nearness.shape[-2:]
    waves = [smooth_waves(height, width, wavelength, random) for _ in range(2)]
    y, x = np.mgrid[:height, :width]
    place = np.stack([x, y], -1) + distance * np.stack(waves, -1)
    # grid_sample counts from -1 to 1 over the outer edges of the picture.
    grid = torch.from_numpy(((2 * place + 1) / np.array([width, height]) - 1).astype(np.float32))
    return F.grid_sample(
        nearness,
        grid.to(nearness)[None].expand(len(nearness), -1, -1, -1),
        mode="nearest",
        padding_mode="border",
        align_corners=False,
    )


def quantised(nearness: Tensor, levels: int) -> Tensor:
    """Stored with this many levels from the lowest to the highest value."""
    low, span = _range(nearness)
    return low + ((nearness - low) / span * (levels - 1)).round() * (span / (levels - 1))


def jpeg(nearness: Tensor, quality: int) -> Tensor:
    """Stored as grey 8-bit JPEGs that span the range of the map, and read again."""
    from PIL import Image

    low, span = _range(nearness)
    levels = ((nearness - low) / span * 255).round().byte().cpu().numpy()
    pictures = []
    for picture in levels[:, 0]:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=quality)
        pictures.append(np.asarray(Image.open(file), np.float32))
    read = torch.from_numpy(np.stack(pictures))[:, None].to(nearness)
    return low + read * (span / 255)


def _range(nearness: Tensor) -> tuple[Tensor, Tensor]:
    low = nearness.amin()
    return low, (nearness.amax() - low).clamp(min=1e-12)


def randomly_degraded(nearness: Tensor, random: np.random.Generator) -> Tensor:
    """One to three of the degradations, of strengths as they occur."""
    size = random.random()
    if size < 0.35:
        nearness = eroded(nearness, int(random.choice([1, 1, 2, 2, 3, 4])))
    elif size < 0.6:
        nearness = dilated(nearness, int(random.choice([1, 1, 2, 2, 3, 4])))
    elif size < 0.8:
        distance, wavelength = random.uniform(0.4, 2.5), random.uniform(15, 80)
        nearness = displaced(nearness, distance, wavelength, random)
    soft = random.random()
    if soft < 0.3:
        nearness = blurred(nearness, random.uniform(0.6, 3.5))
    elif soft < 0.55:
        nearness = coarse(nearness, int(random.integers(2, 6)))
    stored = random.random()
    if stored < 0.2:
        nearness = quantised(nearness, int(2 ** random.integers(4, 9)))
    elif stored < 0.4:
        nearness = jpeg(nearness, int(random.integers(50, 98)))
    return nearness
