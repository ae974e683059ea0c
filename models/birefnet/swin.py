"""Swin Transformer (Liu et al. 2021), BiRefNet's encoder, with the published parameter names."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

PATCH_PX = 4


class SwinTransformer(nn.Module):
    """Features at 1/4, 1/8, 1/16 and 1/32 of the picture's size.

    Args:
        width: channels of the first stage; each further one has twice as many.
        depths: blocks of each stage.
        heads: attention heads of each stage.
        window: side of the windows within which attention works, in patches.
    """

    def __init__(self, width: int, depths: Sequence[int], heads: Sequence[int], window: int):
        super().__init__()
        self.patch_embed = _PatchEmbed(width)
        last = len(depths) - 1
        self.layers = nn.ModuleList(
            _Stage(width * 2**index, depth, heads[index], window, index < last)
            for index, depth in enumerate(depths)
        )
        for index in range(len(depths)):
            self.add_module(f"norm{index}", nn.LayerNorm(width * 2**index))

    def forward(self, picture: Tensor) -> list[Tensor]:
        """`[B,3,H,W]` to four maps `[B,C,h,w]`, finest first."""
        features = self.patch_embed(picture)  # [B,h,w,C]
        results = []
        for index, stage in enumerate(self.layers):
            own, features = stage(features)
            normalised = self.get_submodule(f"norm{index}")(own)
            results.append(rearrange(normalised, "b h w c -> b c h w"))
        return results


class _PatchEmbed(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH_PX, stride=PATCH_PX)
        self.norm = nn.LayerNorm(width)

    def forward(self, picture: Tensor) -> Tensor:
        height, width = picture.shape[-2:]
        padded = F.pad(picture, (0, -width % PATCH_PX, 0, -height % PATCH_PX))
        return self.norm(rearrange(self.proj(padded), "b c h w -> b h w c"))


class _Stage(nn.Module):
    """Blocks whose windows are shifted by half in every second one; then half the size."""

    def __init__(self, width: int, depth: int, heads: int, window: int, has_next: bool) -> None:
        super().__init__()
        self.window = window
        self.blocks = nn.ModuleList(
            _Block(width, heads, window, shift=window // 2 if index % 2 else 0)
            for index in range(depth)
        )
        self.downsample = _PatchMerging(width) if has_next else None

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features `[B,h,w,C]`; the second result is for the next stage."""
        apart = _apart(features, self.window)
        for block in self.blocks:
            features = block(features, apart)
        return features, features if self.downsample is None else self.downsample(features)


def _apart(features: Tensor, window: int) -> Tensor:
    """What must not attend to each other in shifted windows: `[N,1,w²,w²]`, 0 or −inf.

    After the shift the last windows hold pieces of opposite borders.
    """
    shift = window // 2
    sides = [-(-side // window) * window for side in features.shape[1:3]]
    rows, columns = (
        torch.tensor([0] * (side - window) + [1] * (window - shift) + [2] * shift) for side in sides
    )
    pieces = (3 * rows[:, None] + columns).to(features.device)[None, ..., None]
    pieces = _windows(pieces, window)[..., 0]  # [N,w²]
    is_apart = pieces[:, None] != pieces[:, :, None]
    return torch.where(is_apart, -torch.inf, 0.0).to(features.dtype)[:, None]


def _windows(features: Tensor, window: int) -> Tensor:
    """`[B,H,W,C]` to `[B·N,w²,C]`."""
    return rearrange(features, "b (y v) (x w) c -> (b y x) (v w) c", v=window, w=window)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = _WindowAttention(width, heads, window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = _Mlp(width)

    def forward(self, features: Tensor, apart: Tensor) -> Tensor:
        """`[B,h,w,C]` to the same."""
        features = features + self._attended(self.norm1(features), apart)
        return features + self.mlp(self.norm2(features))

    def _attended(self, features: Tensor, apart: Tensor) -> Tensor:
        count, height, width = features.shape[:3]
        padded = F.pad(features, (0, 0, 0, -width % self.window, 0, -height % self.window))
        shifted = padded.roll((-self.shift, -self.shift), (1, 2)) if self.shift else padded
        mask = apart.repeat(count, 1, 1, 1) if self.shift else None
        attended = self.attn(_windows(shifted, self.window), mask)
        merged = rearrange(
            attended,
            "(b y x) (v w) c -> b (y v) (x w) c",
            b=count,
            y=padded.shape[1] // self.window,
            v=self.window,
        )
        back = merged.roll((self.shift, self.shift), (1, 2)) if self.shift else merged
        return back[:, :height, :width]


class _WindowAttention(nn.Module):
    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        sides = 2 * window - 1
        self.relative_position_bias_table = nn.Parameter(torch.zeros(sides**2, heads))
        self.register_buffer("relative_position_index", _relative_positions(window))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """`[N,w²,C]` to the same."""
        query, key, value = rearrange(
            self.qkv(tokens), "n t (part h c) -> part n h t c", part=3, h=self.heads
        )
        bias = self.relative_position_bias_table[self.relative_position_index]  # [w²,w²,heads]
        bias = rearrange(bias, "s t h -> 1 h s t").to(query.dtype)
        attended = F.scaled_dot_product_attention(
            query, key, value, attn_mask=bias if mask is None else bias + mask
        )
        return self.proj(rearrange(attended, "n h t c -> n t (h c)"))


def _relative_positions(window: int) -> Tensor:
    """Which entry of the table each pair of tokens in a window has: `[w²,w²]`."""
    axis = torch.arange(window)
    places = torch.cartesian_prod(axis, axis)
    difference = places[:, None] - places[None] + window - 1
    return difference[..., 0] * (2 * window - 1) + difference[..., 1]


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(tokens)))


class _PatchMerging(nn.Module):
    """Four neighbours become one with twice the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        height, width = features.shape[1:3]
        padded = F.pad(features, (0, 0, 0, width % 2, 0, height % 2))
        # The lower left neighbour comes before the upper right one.
        merged = rearrange(padded, "b (y v) (x w) c -> b y x (w v c)", v=2, w=2)
        return self.reduction(self.norm(merged))


def window_of(table: Tensor) -> int:
    """The window's side, from the shape of its table of relative positions."""
    return (math.isqrt(table.shape[0]) + 1) // 2
