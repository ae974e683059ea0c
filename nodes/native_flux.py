"""ComfyUI's own FLUX as the base model: MODEL, VAE and CLIP as its loaders give them.

Its patcher brings the model to the device, with its LoRAs and in its precision, quantized or not.
What patches attention or wraps the model's calls has no effect: the forward is our own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..lens.image import to_interleaved, to_planar
from ..models.flux.base import FluxBase
from ..models.flux.conditions import Prompt
from ..models.flux.transformer import ConditionedFlux
from ..models.flux_base.presented import PresentedFlux
from ..models.flux_base.text_encoders import T5_TOKENS
from ..models.lending import current_lender
from .lending import ComfyLender

LATENT_CHANNELS = 16


def native_base(model: Any, vae: Any, clip: Any, sparing: bool = False) -> FluxBase:
    """The base model that ComfyUI has loaded.

    Args:
        model: MODEL with FLUX.1-dev.
        vae: VAE of FLUX.
        clip: CLIP with CLIP-L and T5 XXL.
        sparing: leave ComfyUI no room to have all of the model on the device.

    Raises:
        InputError: the model is no FLUX.1 for pictures, or something else arrived.
    """
    flux = getattr(getattr(model, "model", None), "diffusion_model", None)
    if flux is None:
        raise InputError("model", f"a {type(model).__name__}", "Connect FLUX.1-dev's MODEL.")
    transformer = ConditionedFlux(PresentedFlux(flux))
    return FluxBase(
        name="ComfyUI's MODEL",
        transformer=transformer,
        autoencoder=NativeAutoencoder(vae, model.model.latent_format),
        prompts=NativePrompts(clip),
        device=torch.device(model.load_device),
        dtype=_compute_dtype(model.model),
        lend=_lender(model),
        sparing=sparing,
    )


@dataclass(frozen=True)
class NativeAutoencoder:
    """ComfyUI's VAE, and how FLUX shifts and scales latents."""

    vae: Any
    latent_format: Any

    def encode(self, pixels: Tensor, generator: torch.Generator | None) -> Tensor:
        """ComfyUI gives the mean of the distribution, whatever the generator."""
        latents = self.vae.encode(to_interleaved(pixels / 2 + 0.5))
        if latents.shape[1] != LATENT_CHANNELS:
            received = f"one of {latents.shape[1]} channels"
            raise InputError("vae", received, "Connect FLUX' VAE (ae.safetensors).")
        return self.latent_format.process_in(latents.float())

    def decode(self, latents: Tensor) -> Tensor:
        """Pixels in -1..1."""
        pixels = self.vae.decode(self.latent_format.process_out(latents))
        return 2.0 * to_planar(pixels.float()) - 1.0


@dataclass(frozen=True)
class NativePrompts:
    """ComfyUI's text encoders, with as many tokens as FLUX' publication has."""

    clip: Any

    def __call__(self, text: str) -> Prompt:
        encoders = self.clip.clone()
        encoders.set_tokenizer_option("t5xxl_min_length", T5_TOKENS)
        tokens, pooled = encoders.encode_from_tokens(encoders.tokenize(text), return_pooled=True)
        return checked_prompt(tokens, pooled)


def checked_prompt(tokens: Any, pooled: Any) -> Prompt:
    """A prompt of what text encoders gave.

    Raises:
        InputError: it is not of CLIP-L and T5 XXL.
    """
    is_whole = isinstance(tokens, Tensor) and isinstance(pooled, Tensor)
    if not is_whole or tokens.ndim != 3 or pooled.ndim != 2:
        advice = "Load CLIP-L and T5 XXL with DualCLIPLoader of type flux."
        raise InputError("clip", "text encoders of another model", advice)
    return Prompt(tokens.float().cpu(), pooled.float().cpu())


def _compute_dtype(model: Any) -> torch.dtype:
    return model.manual_cast_dtype or model.get_dtype()


def _lender(patcher: Any) -> Any:
    @contextmanager
    def lend(
        networks: Sequence[nn.Module], device: torch.device, working_bytes: int
    ) -> Iterator[None]:
        _, *adapters = networks  # The first is the transformer, which the patcher brings.
        lender = current_lender()
        assert isinstance(lender, ComfyLender)
        with lender.lent_with(patcher, adapters, device, working_bytes):
            yield

    return lend
