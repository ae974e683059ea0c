"""The losses of DMD2 (Yin et al. 2024, arXiv 2405.14867) for a student of SDXL.

Numbers are those of the published training: distributions are matched at timesteps from 2 to 98 per
cent, the fake score and the discriminator learn at all of them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.sdxl.schedule import STEPS, alphas_cumprod

# Timesteps at which distributions are matched.
FIRST_MATCHED, LAST_MATCHED = STEPS // 50, STEPS - STEPS // 50


def matched_timesteps(count: int, device: torch.device) -> Tensor:
    """Timesteps at which distributions are matched, `[count]`."""
    return torch.randint(FIRST_MATCHED, LAST_MATCHED + 1, (count,), device=device)


def all_timesteps(count: int, device: torch.device, below: int = STEPS) -> Tensor:
    """Timesteps at which the fake score and the discriminator learn, `[count]`."""
    return torch.randint(0, below, (count,), device=device)


def noisy(latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """Latents at timesteps `[B]` of the diffusion, in their dtype."""
    kept = alphas_cumprod().to(latents.device)[timesteps].view(-1, 1, 1, 1)
    return kept.sqrt().to(latents) * latents + (1.0 - kept).sqrt().to(latents) * noise


def clean(noisy_latents: Tensor, predicted_noise: Tensor, timesteps: Tensor) -> Tensor:
    """What is left without the noise that a network sees, in float64."""
    kept = alphas_cumprod().to(noisy_latents.device)[timesteps].view(-1, 1, 1, 1)
    return (noisy_latents.double() - (1.0 - kept).sqrt() * predicted_noise.double()) / kept.sqrt()


def guided(unconditional: Tensor, conditional: Tensor, scale: float) -> Tensor:
    """Noise under classifier-free guidance."""
    return unconditional + scale * (conditional - unconditional)


def matching_direction(latents: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """The gradient of distribution matching (eq. 2 of DMD, with its weight per picture).

    Args:
        latents: of the student, `[B,C,H,W]`.
        real: what the teacher takes for clean in noisy latents.
        fake: what the fake score does.

    Returns:
        `[B,C,H,W]` as `latents`; 0 where it is not a number.
    """
    to_real = latents.double() - real.double()
    difference = fake.double() - real.double()
    weight = to_real.abs().mean(dim=(1, 2, 3), keepdim=True)
    return torch.nan_to_num(difference / weight, nan=0.0, posinf=0.0, neginf=0.0).to(latents)


def matching_loss(latents: Tensor, direction: Tensor) -> Tensor:
    """A loss whose gradient in the latents is the direction, over the number of elements."""
    target = (latents.double() - direction.double()).detach()
    return 0.5 * F.mse_loss(latents.double(), target)


def denoising_loss(predicted_noise: Tensor, noise: Tensor) -> Tensor:
    """What the fake score learns from: the noise in the student's latents."""
    return F.mse_loss(predicted_noise.float(), noise.float())


def generator_loss(fake_logits: Tensor) -> Tensor:
    """What the student pays where the discriminator finds it out."""
    return F.softplus(-fake_logits).mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """What the discriminator pays."""
    return F.softplus(fake_logits).mean() + F.softplus(-real_logits).mean()
