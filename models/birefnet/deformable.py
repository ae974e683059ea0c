"""Convolution at places that it chooses itself (Zhu et al. 2019: deformable, with modulation)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DeformableConv2d(nn.Module):
    """A convolution each tap of which looks at a place of its own, and counts as much as it says.

    Args:
        inputs, outputs: channels.
        size: side of the kernel, odd.
    """

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__()
        taps, padding = size * size, size // 2
        self.offset_conv = nn.Conv2d(inputs, 2 * taps, size, padding=padding)
        self.modulator_conv = nn.Conv2d(inputs, taps, size, padding=padding)
        self.regular_conv = nn.Conv2d(inputs, outputs, size, padding=padding, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """`[B,C,H,W]` to `[B,D,H,W]`."""
        offsets = self.offset_conv(features)
        modulation = 2.0 * torch.sigmoid(self.modulator_conv(features))
        return deformed_convolution(features, self.regular_conv.weight, offsets, modulation)


def deformed_convolution(
    features: Tensor, weight: Tensor, offsets: Tensor, modulation: Tensor
) -> Tensor:
    """Convolution of what lies at moved places, with zeros outside the picture.

    Args:
        features: `[B,C,H,W]`.
        weight: `[D,C,k,k]`, k odd.
        offsets: `[B,2k²,H,W]`, px: down and right for each tap, row by row.
        modulation: `[B,k²,H,W]`, a factor for each tap.

    Returns:
        `[B,D,H,W]`.
    """
    size = weight.shape[-1]
    # Half precision cannot tell places a few hundred px away.
    source, moves = features.float(), offsets.float().unflatten(1, (-1, 2))
    height, width = features.shape[-2:]
    rows = torch.arange(height, device=features.device, dtype=torch.float32)[:, None]
    columns = torch.arange(width, device=features.device, dtype=torch.float32)
    result = features.new_zeros(len(features), len(weight), height, width)
    for tap in range(size * size):
        down, right = divmod(tap, size)
        y = rows + (down - size // 2) + moves[:, tap, 0]
        x = columns + (right - size // 2) + moves[:, tap, 1]
        # From -1 to 1 between the middles of the outermost px.
        grid = torch.stack([2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1], dim=-1)
        seen = F.grid_sample(source, grid, padding_mode="zeros", align_corners=True)
        seen = seen.to(features.dtype) * modulation[:, tap : tap + 1]
        result = result + F.conv2d(seen, weight[:, :, down, right, None, None])
    return result
