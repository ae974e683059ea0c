"""From noise to picture along the flow: FLUX' sigmas and Euler's steps.

Flow matching: a token is `(1 − σ) · clean + σ · noise`, the model predicts `noise − clean`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .tokens import PATCH, Grid, packed

# How FLUX.1-dev shifts sigmas: with more tokens more of the steps go to high noise.
TOKENS_RANGE = (256, 4096)
SHIFT_RANGE = (0.5, 1.15)
LATENT_CHANNELS = 16

Velocity = Callable[[Tensor, float], Tensor]  # latent tokens [B,T,C] and sigma to [B,T,C]


@dataclass(frozen=True)
class Step:
    """What has been reached.

    Args:
        index: number of the step that was just done, from 0.
        count: number of all steps.
        sigma: noise that is left, 1 to 0.
        latents: tokens, `[B,T,C]`.
        velocity: that the step followed.
    """

    index: int
    count: int
    sigma: float
    latents: Tensor
    velocity: Tensor

    @property
    def preview(self) -> Tensor:
        """The clean tokens that the model expects, `[B,T,C]`."""
        return self.latents - self.sigma * self.velocity


def flow_sigmas(steps: int, tokens: int) -> list[float]:
    """Noise before each step and after the last one, from 1 to 0.

    Args:
        steps: 1 or more.
        tokens: of the whole picture, also when it is worked on in tiles.
    """
    low, high = TOKENS_RANGE
    least, most = SHIFT_RANGE
    shift = math.exp(least + (most - least) * (tokens - low) / (high - low))
    even = [1.0 - index / steps for index in range(steps)]
    return [shift / (shift + 1.0 / sigma - 1.0) for sigma in even] + [0.0]


def flow_noise(
    grid: Grid, generators: Sequence[torch.Generator], channels: int = LATENT_CHANNELS
) -> Tensor:
    """Noise to begin with, the same for a seed on every device and in every batch.

    Args:
        grid: rows and columns of tokens.
        generators: on the CPU, one for each picture.
        channels: of the latent.

    Returns:
        Tokens, `[B,T,4·channels]`, float32 on the CPU.
    """
    size = (1, channels, PATCH * grid[0], PATCH * grid[1])
    return packed(torch.cat([torch.randn(size, generator=one) for one in generators]))


@torch.no_grad()
def denoised(
    latents: Tensor,
    sigmas: Sequence[float],
    velocity: Velocity,
    on_step: Callable[[Step], None] | None = None,
) -> Tensor:
    """Follow the flow (Euler's method).

    Args:
        latents: tokens at the first sigma, `[B,T,C]`; kept in float32 between steps.
        sigmas: see `flow_sigmas`.
        velocity: the model.
        on_step: called after each step; what it raises ends the loop.

    Returns:
        Clean tokens, float32.
    """
    latents = latents.float()
    count = len(sigmas) - 1
    for index, (sigma, lower) in enumerate(pairwise(sigmas)):
        flow = velocity(latents, sigma).float()
        latents = latents + (lower - sigma) * flow
        if on_step is not None:
            on_step(Step(index, count, lower, latents, flow))
    return latents
