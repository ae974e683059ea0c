"""Backward simulation: a student of few steps trains on the states that it will meet itself.

DMD2, section 4.5: from pure noise the student runs as at inference up to one of its steps, without
gradients, and the last one is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...models.sdxl.schedule import STEPS
from .losses import clean, noisy

# From noisy latents and timesteps `[B]` to the noise in them.
Student = Callable[[Tensor, Tensor], Tensor]


class State(NamedTuple):
    """Where the student is trained.

    Args:
        latents: noisy ones, `[B,C,H,W]`.
        timesteps: `[B]`.
    """

    latents: Tensor
    timesteps: Tensor


def student_timesteps(count: int) -> tuple[int, ...]:
    """Timesteps of a student of `count` steps.

    Example:
        >>> student_timesteps(4)
        (999, 749, 499, 249)
    """
    return tuple(range(STEPS - 1, 0, -(STEPS // count)))


@torch.no_grad()
def simulated(
    student: Student,
    start: Tensor,
    timesteps: Sequence[int],
    step: int,
    draw_noise: Callable[[int], Tensor],
) -> Tensor:
    """What the student makes in its first steps: pictures before the noise of the next one.

    Args:
        student: predicts noise.
        start: pure noise, `[B,C,H,W]`.
        timesteps: of the student.
        step: how many of them are done; 0 gives the noise itself.
        draw_noise: noise that is added after a step, by its number.

    Returns:
        `[B,C,H,W]`.
    """
    state, picture = start, start
    for index in range(step):
        place = torch.full((len(start),), timesteps[index], device=start.device)
        picture = clean(state, student(state, place), place).to(start)
        following = torch.full_like(place, timesteps[index + 1])
        state = noisy(picture, draw_noise(index), following)
    return picture


def state_at(picture: Tensor, noise: Tensor, timesteps: Sequence[int], step: int) -> State:
    """The state that the student is trained on in one of its steps.

    Args:
        picture: of `simulated`.
        noise: of the same shape.
        timesteps: of the student.
        step: which; the first begins with noise alone.
    """
    place = torch.full((len(picture),), timesteps[step], device=picture.device)
    return State(noise if step == 0 else noisy(picture, noise, place), place)
