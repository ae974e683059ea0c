"""A small SDXL that draws procedural scenes, after seconds of training, to try things out."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...lens.depth import Depth
from ...lens.optics import Camera
from ...models.exif_generator.conditioning import DEEP_FROM
from ...models.exif_generator.denoiser import Denoiser
from ...models.sdxl.base import require_diffusers, require_transformers
from ...models.sdxl.config import SdxlConfig
from ...models.sdxl.text import (
    FILLING,
    FILLING_2,
    LENGTH,
    PromptEmbedding,
    embedded_tokens,
    filled_prompt,
)
from ..tiny_sdxl import TINY, tiny_vae
from .losses import all_timesteps, denoising_loss, noisy
from .photographs import ProceduralPhotographs

WIDTH = 16
_TEXT = {"hidden_size": WIDTH, "intermediate_size": 8, "num_hidden_layers": 2}
# The tiny UNet with fewer blocks, and text encoders. The VAE's latents are about 1 as they are.
TINY_GENERATOR = SdxlConfig(
    unet={**TINY.unet, "layers_per_block": 1, "transformer_layers_per_block": (1, 1, 1)},
    vae={**TINY.vae, "scaling_factor": 1.0},
    text_encoder={**SdxlConfig().text_encoder, **_TEXT, "num_attention_heads": 2},
    text_encoder_2={
        **SdxlConfig().text_encoder_2,
        **_TEXT,
        "num_attention_heads": 2,
        "projection_dim": WIDTH,
    },
)
SIDE, SCENES, SEED = 64, 32, 2000
STEPS, BATCH, LEARNING_RATE = 120, 16, 3e-3
# Two of CLIP's words, which stand for a deep and a shallow depth of field.
DEEP, SHALLOW = 1, 2
NEAREST_M, FARTHEST_M = 1.0, 8.0


def tiny_generator() -> tuple[Any, Any, tuple[Any, Any]]:
    """UNet, VAE and both text encoders."""
    unet = require_diffusers().UNet2DConditionModel.from_config(dict(TINY_GENERATOR.unet))
    unet.load_state_dict(_unet_weights())
    return unet, _vae(), tiny_encoders()


def tiny_encoders() -> tuple[Any, Any]:
    """Random text encoders."""
    transformers = require_transformers()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first = transformers.CLIPTextConfig(**TINY_GENERATOR.text_encoder)
        second = transformers.CLIPTextConfig(**TINY_GENERATOR.text_encoder_2)
        encoders = (
            transformers.CLIPTextModel(first).eval(),
            transformers.CLIPTextModelWithProjection(second).eval(),
        )
        for encoder in encoders:  # Words shall matter.
            encoder.get_input_embeddings().weight.data.normal_()
        return encoders


def tiny_words(camera: Camera) -> list[int]:
    """What the tiny generator takes for a deep or a shallow depth of field: one word, often."""
    return [DEEP if camera.f_number >= DEEP_FROM else SHALLOW] * (LENGTH - 2)


def tiny_depth(image: Tensor, focal_length_px: Tensor) -> Depth:
    """Depth of a ground that rises from below, on which what is bright is nearer."""
    del focal_length_px
    rows = torch.linspace(0.0, 1.0, image.shape[-2], device=image.device).view(1, 1, -1, 1)
    share = 0.5 * rows + 0.5 * image.mean(1, keepdim=True)
    far, near = 1.0 / FARTHEST_M, 1.0 / NEAREST_M
    return Depth(far + (near - far) * share, is_metric=True)


def _vae() -> Any:
    vae = require_diffusers().AutoencoderKL.from_config(dict(TINY_GENERATOR.vae))
    vae.load_state_dict(tiny_vae().state_dict())
    return vae


@lru_cache(maxsize=1)
def _unet_weights() -> dict[str, Tensor]:
    """From training on sharp and blurred scenes alike, as SDXL has seen both."""
    latents, cameras = _latents()
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        unet = require_diffusers().UNet2DConditionModel.from_config(dict(TINY_GENERATOR.unet))
        prompts = _prompts(cameras)
        optimizer = torch.optim.AdamW(unet.parameters(), lr=LEARNING_RATE)
        for _ in range(STEPS):
            numbers = torch.randint(len(latents), (BATCH,))
            chosen, prompt = latents[numbers], PromptEmbedding(*(one[numbers] for one in prompts))
            noise, timesteps = torch.randn_like(chosen), all_timesteps(BATCH, chosen.device)
            predicted = Denoiser(unet, prompt)(noisy(chosen, noise, timesteps), timesteps)
            optimizer.zero_grad()
            torch.autograd.backward(denoising_loss(predicted, noise))
            optimizer.step()
    return unet.state_dict()


@torch.no_grad()
def _latents() -> tuple[Tensor, list[Camera]]:
    random, taken = np.random.default_rng(SEED), []
    for is_shallow in (False, True):
        source = ProceduralPhotographs(SIDE, SCENES, is_shallow, is_shallow, SEED)
        taken += [source.draw(random) for _ in range(2 * SCENES)]
    pictures = torch.stack([one.image for one in taken])
    latents = _vae().encode(2.0 * pictures - 1.0).latent_dist.mode()
    return latents, [one.camera for one in taken]


def _prompts(cameras: list[Camera]) -> PromptEmbedding:
    encoder, encoder_2 = tiny_encoders()
    tokens, tokens_2 = (
        torch.cat([filled_prompt(tiny_words(camera), filling) for camera in cameras])
        for filling in (FILLING, FILLING_2)
    )
    return embedded_tokens(tokens, tokens_2, encoder, encoder_2)
