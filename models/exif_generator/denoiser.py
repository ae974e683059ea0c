"""SDXL's UNet with everything that stays the same during the denoising of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..sdxl.pictures import PX_PER_LATENT
from ..sdxl.text import PromptEmbedding, time_ids


@dataclass(frozen=True)
class Denoiser:
    """The noise that SDXL sees in latents, as `sampling` wants it.

    Args:
        unet: diffusers' `UNet2DConditionModel`, on the device of the latents.
        prompt: batch 1 or that of the latents.
        negative: the same for guidance; None: no guidance, as students want it.
        guidance: factor on what the prompt changes (classifier-free guidance, Ho and Salimans).
    """

    unet: Any
    prompt: PromptEmbedding
    negative: PromptEmbedding | None = None
    guidance: float = 1.0

    def __call__(self, latents: Tensor, timestep: int | Tensor) -> Tensor:
        """The noise in latents `[B,4,h,w]` at a timestep, one or `[B]`; float32."""
        noise = self._noise(latents, timestep, self.prompt)
        if self.negative is None:
            return noise
        # A pass of its own: prompts may differ in length.
        without = self._noise(latents, timestep, self.negative)
        return torch.lerp(without, noise, self.guidance)

    def _noise(self, latents: Tensor, timestep: int | Tensor, prompt: PromptEmbedding) -> Tensor:
        seen = latents.to(self.unet.dtype)
        height, width = (PX_PER_LATENT * side for side in latents.shape[-2:])
        size = (height, width)
        ids = time_ids(size, (0, 0), size, latents).expand(len(latents), -1)
        text = prompt.to(seen, len(seen))
        return self.unet(
            seen,
            timestep,
            encoder_hidden_states=text.tokens,
            added_cond_kwargs={"text_embeds": text.pooled, "time_ids": ids},
            return_dict=False,
        )[0].float()
