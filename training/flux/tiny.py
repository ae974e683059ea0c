"""A FLUX of half a million parameters, to try recipes out: it needs no files and little memory."""

from __future__ import annotations

import math
import zlib
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ...models.flux.base import FluxBase
from ...models.flux.conditions import Prompt
from ...models.flux.tokens import PATCH, image_positions, packed
from ...models.flux.transformer import ConditionedFlux
from ...models.sdxl.base import require_diffusers
from ..procedural import ProceduralSimulator

NAME = "tiny"
CONFIG: dict[str, Any] = {
    "patch_size": 1,
    "in_channels": 64,
    "num_layers": 1,
    "num_single_layers": 2,
    "attention_head_dim": 24,
    "num_attention_heads": 4,
    "joint_attention_dim": 24,
    "pooled_projection_dim": 16,
    "guidance_embeds": True,
    "axes_dims_rope": (4, 10, 10),
}
PROMPT_TOKENS = 2
SIDE = 8
# What the transformer is trained with.
GRID, SCENES, STEPS, BATCH, SEED = (4, 4), 48, 250, 8, 1000
# Which waves of a block of 8×8 px the latent keeps, by (rows, columns), of brightness and of the
# two differences of colour.
BRIGHTNESS = ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1))
COLOR = ((0, 0), (0, 1), (1, 0), (1, 1))
# Brings latents to a deviation of about 1, as those of FLUX have.
GAIN = 0.25


def tiny_base() -> FluxBase:
    """A transformer with the layout of FLUX that can remove some noise, on the CPU in float32."""
    network = require_diffusers().FluxTransformer2DModel(**CONFIG)
    network.load_state_dict(_denoising_weights())
    return FluxBase(
        name=NAME,
        transformer=ConditionedFlux(network).requires_grad_(False),
        autoencoder=WaveAutoencoder(),
        prompts=_prompt,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )


@lru_cache(maxsize=1)
def _denoising_weights() -> dict[str, Tensor]:
    """Weights from a few seconds of training without any condition.

    Adapters change the tokens of conditions alone: they can do nothing with a base model that lets
    nothing through.
    """
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        network = require_diffusers().FluxTransformer2DModel(**CONFIG)
        model, prompt, pictures = ConditionedFlux(network), _prompt(""), _pictures()
        optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
        for _ in range(STEPS):
            clean = pictures[torch.randint(len(pictures), (BATCH,))]
            noise, sigma = torch.randn_like(clean), torch.rand(BATCH)
            level = sigma[:, None, None]
            noisy = (1.0 - level) * clean + level * noise
            velocity = model(noisy, image_positions(GRID), sigma, 1.0, prompt)
            loss = (velocity - (noise - clean)).square().mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    return network.state_dict()


def _pictures() -> Tensor:
    """Tokens of sharp procedural scenes."""
    side = PATCH * SIDE * GRID[0]
    simulator = ProceduralSimulator(side, largest_radius=1.0, seed=SEED)
    images = torch.stack([simulator.scene(index).all_in_focus for index in range(SCENES)])
    return packed(WaveAutoencoder().encode(2.0 * images - 1.0, None))


def _prompt(text: str) -> Prompt:
    """Numbers that follow from the letters."""
    generator = torch.Generator().manual_seed(zlib.crc32(text.encode()))
    width, pooled = CONFIG["joint_attention_dim"], CONFIG["pooled_projection_dim"]
    return Prompt(
        torch.randn(1, PROMPT_TOKENS, width, generator=generator),
        torch.randn(1, pooled, generator=generator),
    )


class WaveAutoencoder:
    """The longest waves of blocks of 8×8 px, 16 numbers each: what FLUX' autoencoder is in size."""

    def __init__(self) -> None:
        waves = {
            place: torch.outer(_wave(place[0]), _wave(place[1])).flatten() for place in BRIGHTNESS
        }
        colors = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [0.5, -1.0, 0.5]])
        colors = colors / colors.norm(dim=1, keepdim=True)
        kept = [(0, place) for place in BRIGHTNESS]
        kept += [(channel, place) for channel in (1, 2) for place in COLOR]
        # [16, 3·64], orthonormal rows.
        self._basis = torch.stack(
            [torch.outer(colors[channel], waves[place]).flatten() for channel, place in kept]
        )

    def encode(self, pixels: Tensor, generator: torch.Generator | None) -> Tensor:
        """Latents `[B,16,H/8,W/8]` of pixels -1..1."""
        del generator
        height, width = pixels.shape[-2:]
        blocks = torch.nn.functional.unfold(pixels, SIDE, stride=SIDE)  # [B,192,blocks]
        latents = self._basis.to(pixels) @ blocks
        return GAIN * latents.unflatten(2, (height // SIDE, width // SIDE))

    def decode(self, latents: Tensor) -> Tensor:
        """Pixels of latents."""
        size = SIDE * latents.shape[-2], SIDE * latents.shape[-1]
        blocks = self._basis.to(latents).T @ latents.flatten(2) / GAIN
        return torch.nn.functional.fold(blocks, size, SIDE, stride=SIDE)


def _wave(number: int) -> Tensor:
    """A cosine over `SIDE` pixels, of length 1."""
    places = (torch.arange(SIDE) + 0.5) / SIDE
    wave = torch.cos(math.pi * number * places)
    return wave / wave.norm()
