"""Latents as FLUX sees them: tokens of 2×2 pixels, each with its place.

Black Forest Labs' FLUX.1, in diffusers' order: rows first, and in a token channel, row, column.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

# Side of a token in pixels of the latent.
PATCH = 2

Grid = tuple[int, int]  # rows, columns of tokens


def grid_of(height: int, width: int) -> Grid:
    """Rows and columns of tokens that cover a latent of that size in pixels, odd or even."""
    return -(-height // PATCH), -(-width // PATCH)


def packed(latents: Tensor) -> Tensor:
    """Tokens of a latent.

    An odd last row or column is doubled to fill its tokens; `unpacked` drops it again.

    Args:
        latents: `[B,C,H,W]`.

    Returns:
        `[B, rows·columns, 4·C]`.
    """
    height, width = latents.shape[-2:]
    filled = F.pad(latents, (0, width % PATCH, 0, height % PATCH), mode="replicate")
    return rearrange(filled, "b c (h p) (w q) -> b (h w) (c p q)", p=PATCH, q=PATCH)


def unpacked(tokens: Tensor, height: int, width: int) -> Tensor:
    """The latent of that size in pixels, `[B,C,H,W]`, whose tokens are given."""
    rows, _ = grid_of(height, width)
    latents = rearrange(tokens, "b (h w) (c p q) -> b c (h p) (w q)", h=rows, p=PATCH, q=PATCH)
    return latents[..., :height, :width]


def image_positions(
    grid: Grid, delta: tuple[float, float] = (0, 0), frame: int = 0, scale: float = 1.0
) -> Tensor:
    """Where the tokens of an image lie, for the rotary embedding.

    Args:
        grid: rows and columns of tokens.
        delta: tokens by which the image is moved down and to the right.
        frame: which image, for adapters that tell images in one place apart; FLUX knows only 0.
        scale: tokens of the picture along the side of one of these, for conditions of smaller size
            (OminiControl2).

    Returns:
        `[rows·columns, 3]`: frame, row, column, float32.
    """
    middle = (scale - 1.0) / 2.0
    rows, columns = (
        (torch.arange(count, dtype=torch.float32) + moved) * scale + middle
        for count, moved in zip(grid, delta, strict=True)
    )
    places = torch.zeros(*grid, 3)
    places[..., 0] = frame
    places[..., 1] = rows[:, None]
    places[..., 2] = columns
    return places.flatten(0, 1)


def text_positions(count: int) -> Tensor:
    """Where the tokens of a prompt lie, `[count,3]`: all in the same place."""
    return torch.zeros(count, 3)
