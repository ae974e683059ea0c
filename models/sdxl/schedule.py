"""SDXL's noise schedule."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

# "scaled_linear" from first to last of 1000 steps.
STEPS = 1000
FIRST_BETA, LAST_BETA = 0.00085, 0.012


@lru_cache(maxsize=1)
def alphas_cumprod() -> Tensor:
    """ᾱ of every timestep, `[1000]` float64."""
    roots = torch.linspace(FIRST_BETA**0.5, LAST_BETA**0.5, STEPS, dtype=torch.float64)
    return (1.0 - roots.square()).cumprod(dim=0)


def signal_and_noise(timestep: int) -> tuple[float, float]:
    """How much of the clean latents and of noise those at a timestep have: sqrt(ᾱ), sqrt(1 − ᾱ).

    Example:
        >>> signal, noise = signal_and_noise(499)
        >>> f"{signal:.6f} {noise:.6f}"
        '0.526944 0.849900'
    """
    kept = float(alphas_cumprod()[timestep])
    return math.sqrt(kept), math.sqrt(1.0 - kept)


def clean_from_noise(latents: Tensor, noise: Tensor, timestep: int) -> Tensor:
    """Clean latents from those at a timestep and the noise that the network sees in them.

    BokehDiff eq. 1; in float32 whatever comes in.
    """
    signal, amount = signal_and_noise(timestep)
    return (latents.float() - amount * noise.float()) / signal
