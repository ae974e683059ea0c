"""DMD2's discriminator: a head on the bottleneck of the fake score (its section 4.3)."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from ...models.sdxl.pictures import PX_PER_LATENT
from ...models.sdxl.text import PromptEmbedding, time_ids

# Side of the bottleneck from which the last large convolution makes one number.
LAST_SIDE = 4
KERNEL = 4
# Of normalisation: as published for SDXL's 1280 channels, and fewer for small networks.
GROUPS, CHANNELS_PER_GROUP = 32, 8


class Head(nn.Sequential):
    """Says of each picture's bottleneck whether the picture is a photograph, as a logit.

    For 32², SDXL's bottleneck at 1024 px, that is the published one; others halve less often.

    Args:
        channels: of the bottleneck.
        side: its height and width.
    """

    def __init__(self, channels: int, side: int) -> None:
        groups = max(1, min(GROUPS, channels // CHANNELS_PER_GROUP))

        def normalised(kernel: int, stride: int, padding: int) -> list[nn.Module]:
            convolution = nn.Conv2d(channels, channels, kernel, stride, padding)
            return [convolution, nn.GroupNorm(groups, channels), nn.SiLU()]

        layers: list[nn.Module] = []
        while side > LAST_SIDE:
            layers += normalised(KERNEL, stride=2, padding=1)
            side //= 2
        layers += normalised(side, stride=side, padding=0)
        super().__init__(*layers, nn.Conv2d(channels, 1, kernel_size=1))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as in nn.Sequential
        """Logits `[B]` of bottlenecks `[B,C,h,w]`."""
        return super().forward(input.float()).flatten(1).mean(1)


def bottleneck(unet: Any, latents: Tensor, timesteps: Tensor, prompt: PromptEmbedding) -> Tensor:
    """What SDXL's UNet has in its middle, `[B,C,h,w]`, without the work of its second half.

    Args:
        unet: diffusers' `UNet2DConditionModel`.
        latents: noisy ones, `[B,4,H,W]`.
        timesteps: `[B]`.
        prompt: of each picture, or one for all.
    """
    height, width = (PX_PER_LATENT * side for side in latents.shape[-2:])
    ids = time_ids((height, width), (0, 0), (height, width), latents).expand(len(latents), -1)
    text = prompt.to(latents, len(latents))
    embedding = unet.time_embedding(unet.get_time_embed(latents, timesteps))
    told = {"text_embeds": text.pooled, "time_ids": ids}
    embedding = embedding + unet.get_aug_embed(embedding, text.tokens, told)
    hidden = unet.conv_in(latents)
    for block in unet.down_blocks:
        if getattr(block, "has_cross_attention", False):
            hidden, _ = block(hidden, embedding, encoder_hidden_states=text.tokens)
        else:
            hidden, _ = block(hidden, embedding)
    return unet.mid_block(hidden, embedding, encoder_hidden_states=text.tokens)


def bottleneck_shape(unet: Any, size_px: int) -> tuple[int, int]:
    """Channels and side of the bottleneck for square pictures."""
    halvings = len(unet.config.block_out_channels) - 1
    side = size_px // PX_PER_LATENT
    for _ in range(halvings):
        side = math.ceil(side / 2)
    return unet.config.block_out_channels[-1], side
