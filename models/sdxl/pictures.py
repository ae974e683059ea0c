"""Pictures and latents: SDXL's VAE at work."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..lending import lent

# Pixels along a side of a latent.
PX_PER_LATENT = 8
# The VAE's widest activations at 1024² px, which is as much as it sees at once.
WORKING_BYTES = 4 * 2**30


def encoded(vae: Any, picture: Tensor) -> Tensor:
    """Latents of an sRGB picture 0..1."""
    with lent(vae, picture.device, WORKING_BYTES):
        return vae.encode(picture * 2.0 - 1.0).latent_dist.mode() * vae.config.scaling_factor


def decoded(vae: Any, latents: Tensor) -> Tensor:
    """The sRGB picture of latents, 0..1. One by one: a picture takes most of the memory."""
    with lent(vae, latents.device, WORKING_BYTES):
        scaled = latents / vae.config.scaling_factor
        pictures = [vae.decode(one[None], return_dict=False)[0] for one in scaled]
    return (torch.cat(pictures) / 2.0 + 0.5).clamp(0.0, 1.0)
