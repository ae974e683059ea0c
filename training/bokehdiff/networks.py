"""SDXL with BokehDiff's adapter, to be trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ...errors import MissingDependencyError
from ...models.bokehdiff.layout import LORA_TARGETS, VAE_PARTS
from ...models.bokehdiff.processor import PisaProcessor, install_pisa
from ...models.sdxl.base import require_diffusers
from ...models.sdxl.config import SDXL, SdxlConfig
from ...models.sdxl.text import PromptEmbedding
from ...models.state_dict import below
from ..procedural import ProceduralSimulator

# What the tiny VAE is trained with.
VAE_SIDE, VAE_SCENES, VAE_STEPS, VAE_BATCH, VAE_SEED = 64, 24, 100, 4, 1000
# How peft calls the adapter within names of parameters.
ADAPTER = ".default."


@dataclass(frozen=True, eq=False)
class Networks:
    """SDXL, with PISA and a trainable adapter.

    Args:
        unet: its base weights are frozen.
        vae: parts of its encoder are trained.
        processor: of the physics-inspired self-attentions.
        prompt: the one that BokehDiff has.
    """

    unet: Any
    vae: Any
    processor: PisaProcessor
    prompt: PromptEmbedding


def prepared(unet: Any, vae: Any, prompt: PromptEmbedding, rank: int) -> Networks:
    """Freeze networks but for what BokehDiff trains.

    Args:
        unet: SDXL's; it gets an adapter that changes nothing at first.
        vae: SDXL's.
        prompt: encoded.
        rank: of the adapter.

    Raises:
        MissingDependencyError: peft is not installed.
    """
    try:
        from peft import LoraConfig
    except ImportError as error:
        advice = "Install it: pip install 'focuspuller[diffusion]'."
        raise MissingDependencyError("peft", "a missing library", advice) from error
    unet.requires_grad_(False)
    targets = list(LORA_TARGETS)
    unet.add_adapter(
        LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=targets)
    )
    for name, parameter in vae.named_parameters():
        parameter.requires_grad_(name.startswith(VAE_PARTS))
    return Networks(unet, vae, install_pisa(unet), prompt)


def adapter_state(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The adapter under its published names.

    Args:
        weights: of the whole, by name of the parameter.
        prefix: of the UNet's.
    """
    return {name.replace(ADAPTER, "."): one for name, one in below(weights, prefix).items()}


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


def tiny_networks(rank: int) -> Networks:
    """Random ones with SDXL's layout, ready to be trained."""
    return prepared(*tiny_base(), rank)


def tiny_base() -> tuple[Any, Any, PromptEmbedding]:
    """A random UNet and prompt, and a VAE that shows a little of what it is shown."""
    diffusers = require_diffusers()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = diffusers.UNet2DConditionModel.from_config(dict(TINY.unet))
        prompt = PromptEmbedding(torch.randn(1, 4, 32), torch.randn(1, 16))
    vae = diffusers.AutoencoderKL.from_config(dict(TINY.vae))
    vae.load_state_dict(_tiny_vae_weights())
    return unet, vae, prompt


@lru_cache(maxsize=1)
def _tiny_vae_weights() -> dict[str, Tensor]:
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
