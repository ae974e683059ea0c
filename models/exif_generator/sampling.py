"""From noise to latents: the few steps of a student, and the many of SDXL itself.

All in float32. Gradients flow, so that a student can be trained through its own steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..sdxl.schedule import STEPS, clean_from_noise, signal_and_noise

# What DMD2's students were trained for.
FOUR_STEPS = (999, 749, 499, 249)
ONE_STEP = (399,)
# SDXL's own steps begin at 1.
OFFSET = 1

# The noise that a network sees in latents `[B,4,h,w]` at a timestep.
Predict = Callable[[Tensor, int], Tensor]
# Called after every step with the number of steps that are done and the clean latents so far.
OnStep = Callable[[int, Tensor], None]


class SeededNoise:
    """Gaussian noise, each picture's from a seed of its own and the same on every device.

    Args:
        seeds: one for each picture.
        size: height and width of the latents.
    """

    def __init__(self, seeds: Sequence[int], size: tuple[int, int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._shape = (4, *size)

    def __call__(self) -> Tensor:
        """The next noise, `[B,4,h,w]` on the CPU."""
        return torch.stack(
            [torch.randn(self._shape, generator=generator) for generator in self._generators]
        )


def noised(clean: Tensor, noise: Tensor, timestep: int) -> Tensor:
    """Latents at a timestep."""
    signal, amount = signal_and_noise(timestep)
    return signal * clean + amount * noise


def few_step_latents(
    predict: Predict,
    noise: Callable[[], Tensor],
    timesteps: Sequence[int],
    on_step: OnStep | None = None,
) -> Tensor:
    """Clean latents by a student of few steps (DMD2; LCM's way of stepping).

    In each step it looks through the noise at once; then there is new noise, less of it.

    Args:
        predict: the student.
        noise: new noise at every call, on the student's device.
        timesteps: falling.
        on_step: told about progress; may raise to stop.
    """
    clean = latents = noise()
    for index, timestep in enumerate(timesteps):
        if index > 0:
            latents = noised(clean, noise(), timestep)
        clean = clean_from_noise(latents, predict(latents, timestep), timestep)
        if on_step:
            on_step(index + 1, clean)
    return clean


def many_step_latents(
    predict: Predict, noise: Tensor, timesteps: Sequence[int], on_step: OnStep | None = None
) -> Tensor:
    """Clean latents by deterministic steps (DDIM, which is Euler's method on SDXL's schedule).

    Args:
        predict: SDXL, with its guidance.
        noise: `[B,4,h,w]`.
        timesteps: falling, such as `even_timesteps`.
        on_step: told about progress; may raise to stop.
    """
    clean = latents = noise
    for index, timestep in enumerate(timesteps):
        seen = predict(latents, timestep)
        clean = clean_from_noise(latents, seen, timestep)
        if index + 1 < len(timesteps):
            latents = noised(clean, seen, timesteps[index + 1])
        if on_step:
            on_step(index + 1, clean)
    return clean


def even_timesteps(steps: int) -> tuple[int, ...]:
    """SDXL's own spacing.

    Example:
        >>> even_timesteps(4)
        (751, 501, 251, 1)
    """
    return tuple(index * (STEPS // steps) + OFFSET for index in reversed(range(steps)))


def student_timesteps(trained: tuple[int, ...], steps: int) -> tuple[int, ...]:
    """A student's timesteps: those of its training, or others from the same first one on.

    Args:
        trained: with which it was trained.
        steps: how many are wanted.

    Example:
        >>> student_timesteps(FOUR_STEPS, 8)
        (999, 874, 749, 624, 499, 374, 249, 124)
    """
    if steps == len(trained):
        return trained
    return tuple(trained[0] - index * STEPS // steps for index in range(steps))
