"""Depth as it comes in practice: the exact disparity of the truth scenes, made worse.

The procedures of `training.degradation` at the strengths of the tables. Every one takes and gives
disparity `[H,W]` float32 in 1/m, and gives the same numbers each time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from focuspuller.training import degradation
from numpy.typing import NDArray
from torch import Tensor

Disparity = NDArray[np.float32]

JPEG_QUALITY = 85
# Edges of `displaced` move by this root mean square, in waves of about this length.
DISPLACEMENT_PX = 1.5
WAVELENGTH_PX = 40.0


def dilated(disparity: Disparity, radius: int) -> Disparity:
    """Near surfaces grow by `radius` px."""
    return _map(degradation.dilated(_batched(disparity), radius))


def eroded(disparity: Disparity, radius: int) -> Disparity:
    """Near surfaces shrink by `radius` px."""
    return _map(degradation.eroded(_batched(disparity), radius))


def blurred(disparity: Disparity, sigma: float) -> Disparity:
    """Edges become ramps: a Gaussian of `sigma` px."""
    return _map(degradation.blurred(_batched(disparity), sigma))


def jpeg(disparity: Disparity, quality: int = JPEG_QUALITY) -> Disparity:
    """Stored as a grey 8-bit JPEG that spans the range of the map, and read again."""
    return _map(degradation.jpeg(_batched(disparity), quality))


def coarse(disparity: Disparity, factor: int) -> Disparity:
    """Estimated at a `factor`-th of the size and scaled up bilinearly."""
    return _map(degradation.coarse(_batched(disparity), factor))


def displaced(disparity: Disparity, seed: int = 0) -> Disparity:
    """Edges lie beside those of the picture."""
    random = np.random.default_rng(seed)
    moved = degradation.displaced(_batched(disparity), DISPLACEMENT_PX, WAVELENGTH_PX, random)
    return _map(moved)


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


def _map(batched: Tensor) -> Disparity:
    return batched[0, 0].numpy()
