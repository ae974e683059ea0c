"""A small FLUX with weights that follow from their names, an adapter for it, things to show it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from focuspuller.models.flux.adapters import Adapter, FluxShape, adaptable_layers
from focuspuller.models.flux.conditions import Condition, Prompt
from focuspuller.models.flux.layout import PREFIX
from focuspuller.models.flux.tokens import Grid, image_positions
from oracles.weights import filled, weights_by_name
from torch import Tensor

CONFORMANCE = Path(__file__).parents[3] / "shared" / "conformance"
CONFIG: dict[str, Any] = {
    "patch_size": 1,
    "in_channels": 16,
    "num_layers": 2,
    "num_single_layers": 2,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 24,
    "pooled_projection_dim": 20,
    "guidance_embeds": True,
    "axes_dims_rope": (4, 6, 6),
}
SHAPE = FluxShape.of(CONFIG)
GRID: Grid = (4, 6)


def flux(config: dict[str, Any] | None = None) -> Any:
    """diffusers' transformer, filled."""
    from diffusers import FluxTransformer2DModel

    return filled(FluxTransformer2DModel(**(config or CONFIG)))


def filled_adapter(
    shape: FluxShape = SHAPE, rank: int = 4, gain: float = 1.0, salt: str = ""
) -> Adapter:
    """An adapter filled by the published names; lora_B times `gain`. Salt gives another one."""
    adapter = Adapter(adaptable_layers(shape), rank)
    for name, parameter in adapter.named_parameters():
        weights = weights_by_name(salt + PREFIX + name, tuple(parameter.shape))
        parameter.data = weights * (gain if "lora_B" in name else 1.0)
    return adapter


@dataclass(frozen=True)
class Inputs:
    """What the transformer gets besides conditions."""

    picture: Tensor
    positions: Tensor
    timestep: Tensor
    guidance: float
    prompt: Prompt

    @property
    def arguments(self) -> tuple[Tensor, Tensor, Tensor, float, Prompt]:
        """In the order of the forward."""
        return self.picture, self.positions, self.timestep, self.guidance, self.prompt


def inputs(grid: Grid = GRID, batch: int = 1, text: int = 5) -> Inputs:
    """Random ones, always the same."""
    generator = torch.Generator().manual_seed(1)
    tokens = grid[0] * grid[1]
    return Inputs(
        torch.randn(batch, tokens, CONFIG["in_channels"], generator=generator),
        image_positions(grid),
        torch.full((batch,), 0.6),
        2.5,
        Prompt(
            torch.randn(batch, text, CONFIG["joint_attention_dim"], generator=generator),
            torch.randn(batch, CONFIG["pooled_projection_dim"], generator=generator),
        ),
    )


def condition(seed: int, grid: Grid = GRID, batch: int = 1, **others: Any) -> Condition:
    """Random tokens in the place of the picture."""
    generator = torch.Generator().manual_seed(seed)
    size = (batch, grid[0] * grid[1], CONFIG["in_channels"])
    settings = {"positions": image_positions(grid), "adapter": "bokeh", **others}
    return Condition(torch.randn(size, generator=generator), **settings)


def conformance(name: str) -> tuple[dict[str, Tensor], Path]:
    """The arrays of a conformance set, and its folder."""
    folder = CONFORMANCE / name
    if not folder.exists():
        pytest.skip(f"the conformance set {name} is not here")
    with np.load(folder / "io.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays}, folder


def described(path: Path) -> dict[str, Any]:
    """A file of JSON."""
    return json.loads(path.read_text("utf-8"))
