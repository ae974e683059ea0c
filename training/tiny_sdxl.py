"""A small random SDXL with a VAE that works, to try trainings out without any files."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..models.sdxl.base import require_diffusers
from ..models.sdxl.config import SDXL, SdxlConfig
from ..models.sdxl.text import PromptEmbedding
from .procedural import ProceduralSimulator

# What the VAE is trained with.
VAE_SIDE, VAE_SCENES, VAE_STEPS, VAE_BATCH, VAE_SEED = 64, 24, 100, 4, 1000

# A random SDXL of a few ten thousand parameters.
TINY = SdxlConfig(
    unet={
        **SDXL.unet,
        "sample_size": 8,
        "block_out_channels": (16, 16, 32),
        "transformer_layers_per_block": (1, 2, 1),
        "attention_head_dim": (2, 2, 2),
        "norm_num_groups": 4,
        "cross_attention_dim": 32,
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 16,
    },
    vae={
        **SDXL.vae,
        "block_out_channels": (16, 16, 16, 16),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "sample_size": 64,
    },
)


def tiny_base() -> tuple[Any, Any, PromptEmbedding]:
    """A random UNet and prompt, and a VAE that shows a little of what it is shown."""
    diffusers = require_diffusers()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = diffusers.UNet2DConditionModel.from_config(dict(TINY.unet))
        prompt = PromptEmbedding(torch.randn(1, 4, 32), torch.randn(1, 16))
    return unet, tiny_vae(), prompt


def tiny_vae() -> Any:
    """A VAE that shows colours and light in patches of 8×8 px."""
    vae = require_diffusers().AutoencoderKL.from_config(dict(TINY.vae))
    vae.load_state_dict(_vae_weights())
    return vae


@lru_cache(maxsize=1)
def _vae_weights() -> dict[str, Tensor]:
    """From a few seconds of training: a random decoder shows the same whatever it is given."""
    simulator = ProceduralSimulator(VAE_SIDE, largest_radius=1.0, seed=VAE_SEED)
    images = torch.stack([simulator.scene(index).all_in_focus for index in range(VAE_SCENES)])
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        vae = require_diffusers().AutoencoderKL.from_config(dict(TINY.vae))
        optimizer = torch.optim.AdamW(vae.parameters(), lr=3e-3)
        for _ in range(VAE_STEPS):
            shown = 2.0 * images[torch.randint(VAE_SCENES, (VAE_BATCH,))] - 1.0
            latents = vae.encode(shown).latent_dist.mode()
            error = (vae.decode(latents).sample - shown).square().mean()
            optimizer.zero_grad()
            torch.autograd.backward(error + 1e-3 * latents.square().mean())
            optimizer.step()
    return vae.state_dict()
