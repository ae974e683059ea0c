"""A tiny FLUX base model with everything that a whole one has."""

from __future__ import annotations

import zlib
from typing import Any

import torch
from focuspuller.models.flux.base import FluxBase
from focuspuller.models.flux.conditions import Prompt
from focuspuller.models.flux.transformer import ConditionedFlux
from torch import Tensor

from .flux import CONFIG, flux
from .weights import filled

# Latents of 16 channels, as all FLUX models have, in a small transformer.
BASE_CONFIG: dict[str, Any] = {**CONFIG, "in_channels": 64}
VAE_CONFIG: dict[str, Any] = {
    "block_out_channels": (8, 8, 8, 8),
    "latent_channels": 16,
    "norm_num_groups": 4,
    "layers_per_block": 1,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "shift_factor": 0.1159,
    "scaling_factor": 0.3611,
}


def tiny_base() -> FluxBase:
    """On the CPU in float32, in memory alone; prompts follow from their letters."""
    return FluxBase(
        name="tiny",
        transformer=ConditionedFlux(flux(BASE_CONFIG)),
        autoencoder=TinyAutoencoder(),
        prompts=prompt_of,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )


def prompt_of(text: str) -> Prompt:
    """Random numbers that are the same for a text, and others for another."""
    generator = torch.Generator().manual_seed(zlib.crc32(text.encode()))
    return Prompt(
        torch.randn(1, 8, BASE_CONFIG["joint_attention_dim"], generator=generator),
        torch.randn(1, BASE_CONFIG["pooled_projection_dim"], generator=generator),
    )


def vae() -> Any:
    """diffusers' autoencoder, filled."""
    from diffusers import AutoencoderKL

    return filled(AutoencoderKL(**VAE_CONFIG))


class TinyAutoencoder:
    """Exact both ways: means of 8×8 pixels, colours in the first three of 16 channels."""

    def encode(self, pixels: Tensor, generator: torch.Generator | None) -> Tensor:
        means = torch.nn.functional.avg_pool2d(pixels, 8)
        return torch.cat([means, means.new_zeros(len(means), 13, *means.shape[-2:])], dim=1)

    def decode(self, latents: Tensor) -> Tensor:
        return torch.nn.functional.interpolate(latents[:, :3], scale_factor=8.0)
