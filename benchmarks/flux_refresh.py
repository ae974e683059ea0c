"""What it costs in quality to let conditions follow the picture in every n-th step only.

python benchmarks/flux_refresh.py   # trains a tiny FLUX and an adapter for minutes, then measures

The published adapters cannot be measured without their 12 billion weights. So a tiny FLUX learns to
draw pictures of rectangles, its weights are frozen, and an adapter with published visibility learns
to restore them from blurred ones, as DeblurNet does.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from diffusers import FluxTransformer2DModel
from focuspuller.models.flux.adapters import adaptable_layers, new_adapter
from focuspuller.models.flux.conditions import Condition, Prompt
from focuspuller.models.flux.denoiser import Denoiser
from focuspuller.models.flux.networks import Kind, deblur_conditions
from focuspuller.models.flux.sampling import denoised, flow_sigmas
from focuspuller.models.flux.tokens import image_positions, packed
from focuspuller.models.flux.transformer import ConditionedFlux
from torch import Tensor

CONFIG = {
    "patch_size": 1,
    "in_channels": 16,
    "num_layers": 2,
    "num_single_layers": 4,
    "attention_head_dim": 32,
    "num_attention_heads": 3,
    "joint_attention_dim": 16,
    "pooled_projection_dim": 16,
    "guidance_embeds": False,
    "axes_dims_rope": (4, 14, 14),
}
SIDE, CHANNELS = 16, 4  # of a latent: 8×8 tokens
GRID = (SIDE // 2, SIDE // 2)
RANK = 16
BATCH = 16
STEPS = 28
PROMPT = Prompt(torch.zeros(1, 4, 16), torch.zeros(1, 16))


def pictures(count: int, generator: torch.Generator) -> Tensor:
    """Rectangles over each other, as latents of unit deviation `[B,4,16,16]`."""
    places = torch.arange(SIDE)
    result = torch.randn(count, CHANNELS, 1, 1, generator=generator).repeat(1, 1, SIDE, SIDE)
    for _ in range(6):
        start = torch.randint(-4, SIDE, (2, count, 1), generator=generator)
        end = start + torch.randint(3, 9, (2, count, 1), generator=generator)
        rows, columns = (places >= start) & (places < end)
        inside = (rows[:, :, None] & columns[:, None, :])[:, None]
        color = torch.randn(count, CHANNELS, 1, 1, generator=generator)
        result = torch.where(inside, color, result)
    return result


def blurred(latents: Tensor) -> Tensor:
    """Out of focus."""
    return F.avg_pool2d(F.pad(latents, (2, 2, 2, 2), mode="replicate"), 5, stride=1)


def conditions_of(latents: Tensor) -> list[Condition]:
    """What DeblurNet is shown."""
    return deblur_conditions(packed(blurred(latents)), GRID)


def train(model: ConditionedFlux, is_base: bool, steps: int, generator: torch.Generator) -> None:
    """Flow matching of the base model alone, or of its adapter."""
    modules = model if is_base else model.adapters
    parameters = [one for one in modules.parameters() if one.requires_grad]
    rate = 2e-3 if is_base else 4e-3
    optimizer = torch.optim.AdamW(parameters, rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    total = 0.0
    for step in range(1, steps + 1):
        clean = pictures(BATCH, generator)
        noise = torch.randn(clean.shape, generator=generator)
        sigma = torch.randn(BATCH, generator=generator).sigmoid()
        mix = sigma.view(-1, 1, 1, 1)
        velocity = model(
            packed((1.0 - mix) * clean + mix * noise),
            image_positions(GRID),
            sigma,
            1.0,
            PROMPT,
            [] if is_base else conditions_of(clean),
        )
        loss = F.mse_loss(velocity, packed(noise - clean))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.item()
        if step % 250 == 0:
            print(f"{'base' if is_base else 'adapter'} {step}: loss {total / 250:.4f}", flush=True)
            total = 0.0


@torch.no_grad()
def restored(model: ConditionedFlux, clean: Tensor, noise: Tensor, refresh: int) -> Tensor:
    """Tokens of the pictures that the adapter makes of blurred ones."""
    denoiser = Denoiser(model, GRID, PROMPT, conditions_of(clean), refresh=refresh)
    return denoised(packed(noise), flow_sigmas(STEPS, GRID[0] * GRID[1]), denoiser)


def decibels(one: Tensor, other: Tensor) -> float:
    """Peak signal to noise; the peaks of latents of unit deviation are 4 apart."""
    return float(10.0 * torch.log10(16.0 / F.mse_loss(one, other)))


def main() -> None:
    """Train, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000, help="of training, of each of the two")
    options = parser.parse_args()
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = ConditionedFlux(FluxTransformer2DModel(**CONFIG))
    train(model, True, options.steps, generator)
    model.requires_grad_(False)
    model.adapters[Kind.DEBLUR.value] = new_adapter(adaptable_layers(model.shape), RANK, generator)
    train(model, False, options.steps, generator)
    clean, noise = (
        pictures(64, generator),
        torch.randn(64, CHANNELS, SIDE, SIDE, generator=generator),
    )
    exact = restored(model, clean, noise, refresh=1)
    truth = packed(clean)
    print(f"\nblurred: {decibels(packed(blurred(clean)), truth):.2f} dB from the sharp pictures\n")
    print("| refresh_every | from refresh_every 1 | from the sharp pictures |\n|---|---|---|")
    for refresh in (1, 2, 4, 7, STEPS):
        found = restored(model, clean, noise, refresh)
        same = "-" if refresh == 1 else f"{decibels(found, exact):.1f} dB"
        print(f"| {refresh} | {same} | {decibels(found, truth):.2f} dB |", flush=True)


if __name__ == "__main__":
    main()
