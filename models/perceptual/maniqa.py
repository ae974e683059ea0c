"""MANIQA: the opinion score that people would give a picture, by attention over features.

Yang et al., "MANIQA: Multi-dimension Attention Network for No-Reference Image Quality Assessment";
parameter names as published, trained on KonIQ-10k.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..loaded import loaded
from ..places import located
from ..state_dict import load_network
from .musiq import Mlp
from .published import MANIQA

SIDE, PATCH = 224, 8
GRID = SIDE // PATCH
WIDTH, HEADS = 768, 12
# ViT blocks whose tokens are looked at.
TAPS = (6, 7, 8, 9)
WINDOW, SWIN_HEADS = 4, 4
# How much a Swin layer adds to what came in, for KonIQ-10k.
SWIN_SCALE = 0.8
CROPS = 20
# Keeps windows that a shift has put together from seeing each other.
APART = -100.0


def maniqa() -> Maniqa:
    """MANIQA, on the CPU until it is lent.

    Raises:
        FileError: weights are missing or do not fit.
    """
    return loaded(load_maniqa, located(MANIQA))


def load_maniqa(path: Path) -> Maniqa:
    """MANIQA with the weights of a file."""
    return load_network(Maniqa, path, MANIQA, convert=without_prefix)


def without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names without what wrappers for several GPUs put before them."""
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


class ViTAttention(nn.Module):
    """Multi-head self-attention with one layer for query, key and value."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Tokens `[B,N,C]`; `bias` is added to the attention before its softmax."""
        query, key, value = rearrange(
            self.qkv(x), "b n (three h c) -> three b h n c", three=3, h=self.heads
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.proj(rearrange(mixed, "b h n c -> b n (h c)"))


class ViTBlock(nn.Module):
    """Attention and MLP, each normalised before and added."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.attn = ViTAttention(WIDTH, HEADS)
        self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.mlp = Mlp(WIDTH, 4 * WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens `[B,N,C]`."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbedding(nn.Module):
    """A token for each 8×8 px."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, WIDTH, PATCH, PATCH)


class ViT(nn.Module):
    """ViT-B/8 under timm's names. What comes after the last tap is in the file, but not used."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, GRID * GRID + 1, WIDTH))
        self.patch_embed = PatchEmbedding()
        self.blocks = nn.ModuleList(ViTBlock() for _ in range(12))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)
        self.head = nn.Linear(WIDTH, 1000)

    def forward(self, image: Tensor) -> Tensor:
        """`[B,4·C,28,28]`: the tokens after the tapped blocks."""
        x = rearrange(self.patch_embed.proj(image), "b c h w -> b (h w) c")
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        tapped = []
        for index, block in enumerate(self.blocks[: max(TAPS) + 1]):
            x = block(x)
            if index in TAPS:
                tapped.append(x[:, 1:])
        return rearrange(torch.cat(tapped, dim=2), "b (h w) c -> b c h w", h=GRID)


class TransposedAttention(nn.Module):
    """Attention of channels to each other."""

    def __init__(self) -> None:
        super().__init__()
        places = GRID * GRID
        self.c_q, self.c_k, self.c_v = (nn.Linear(places, places) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """`[B,C,N]`."""
        weights = self.c_q(x) @ self.c_k(x).transpose(1, 2) * (GRID * GRID) ** -0.5
        mixed = weights.softmax(-1) @ self.c_v(x)
        # Published as it was trained: places and channels change order without being transposed.
        return x + mixed.transpose(1, 2).reshape(x.shape)


class WindowAttention(ViTAttention):
    """Attention within windows, with a bias for each relative place."""

    def __init__(self, width: int) -> None:
        super().__init__(width, SWIN_HEADS)
        self.relative_position_bias_table = nn.Parameter(
            torch.zeros((2 * WINDOW - 1) ** 2, SWIN_HEADS)
        )
        self.register_buffer("relative_position_index", relative_places())

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Windows `[B·windows,16,C]`; `bias` `[windows,16,16]` keeps some pixels apart."""
        index = self.get_buffer("relative_position_index")
        table = rearrange(self.relative_position_bias_table[index], "q k h -> h q k")
        if bias is None:
            return super().forward(x, table[None])
        every = (table[None] + bias[:, None]).repeat(len(x) // len(bias), 1, 1, 1)
        return super().forward(x, every)


class SwinBlock(nn.Module):
    """Attention within windows, which every other block shifts by half."""

    def __init__(self, width: int, shift: int) -> None:
        super().__init__()
        self.shift = shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, WIDTH)
        if shift:
            self.register_buffer("attn_mask", shifted_mask(shift))

    def forward(self, x: Tensor) -> Tensor:
        """`[B,784,C]`."""
        grid = rearrange(self.norm1(x), "b (h w) c -> b h w c", h=GRID)
        grid = grid.roll((-self.shift, -self.shift), (1, 2))
        mask = self.get_buffer("attn_mask") if self.shift else None
        grid = joined(self.attn(windows_of(grid), mask))
        x = x + rearrange(grid.roll((self.shift, self.shift), (1, 2)), "b h w c -> b (h w) c")
        return x + self.mlp(self.norm2(x))


class SwinLayer(nn.Module):
    """Two blocks and a convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.blocks = nn.ModuleList([SwinBlock(width, 0), SwinBlock(width, WINDOW // 2)])

    def forward(self, x: Tensor) -> Tensor:
        """`[B,784,C]`."""
        for block in self.blocks:
            x = block(x)
        x = F.relu(self.conv(rearrange(x, "b (h w) c -> b c h w", h=GRID)))
        return rearrange(x, "b c h w -> b (h w) c")


class Swin(nn.Module):
    """Two layers, each added in part."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.downsample = nn.Conv2d(width, width, 3, stride=2, padding=1)  # In the file, not used.
        self.layers = nn.ModuleList(SwinLayer(width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """`[B,C,28,28]`."""
        x = rearrange(x, "b c h w -> b (h w) c")
        for layer in self.layers:
            x = x + SWIN_SCALE * layer(x)
        return rearrange(x, "b (h w) c -> b c h w", h=GRID)


class Maniqa(nn.Module):
    """Opinion scores of pictures."""

    def __init__(self) -> None:
        super().__init__()
        half = WIDTH // 2
        self.vit = ViT()
        self.tablock1 = nn.ModuleList(TransposedAttention() for _ in range(2))
        self.conv1 = nn.Conv2d(len(TAPS) * WIDTH, WIDTH, 1)
        self.swintransformer1 = Swin(WIDTH)
        self.tablock2 = nn.ModuleList(TransposedAttention() for _ in range(2))
        self.conv2 = nn.Conv2d(WIDTH, half, 1)
        self.swintransformer2 = Swin(half)
        # Index 2 was a dropout in training.
        self.fc_score = nn.Sequential(
            nn.Linear(half, half), nn.ReLU(), nn.Identity(), nn.Linear(half, 1), nn.ReLU()
        )
        self.fc_weight = nn.Sequential(
            nn.Linear(half, half), nn.ReLU(), nn.Identity(), nn.Linear(half, 1), nn.Sigmoid()
        )

    def forward(self, image: Tensor) -> Tensor:
        """`[B]`, about 0..1, of pictures `[B,3,H,W]`, sRGB-coded 0..1."""
        weighted, weights = 0.0, 0.0
        for crop in crops_of(2.0 * image - 1.0):  # One at a time: memory stays small.
            tokens = self._tokens(crop)
            weight = self.fc_weight(tokens)[..., 0]
            weighted = weighted + (weight * self.fc_score(tokens)[..., 0]).sum(1)
            weights = weights + weight.sum(1)
        return torch.as_tensor(weighted / (weights + 1e-8))

    def _tokens(self, crop: Tensor) -> Tensor:
        """`[B,784,C]` of a crop `[B,3,224,224]`."""
        x = self.vit(crop)
        stages = (
            (self.tablock1, self.conv1, self.swintransformer1),
            (self.tablock2, self.conv2, self.swintransformer2),
        )
        for attentions, conv, swin in stages:
            x = x.flatten(2)
            for attention in attentions:
                x = attention(x)
            x = swin(conv(rearrange(x, "b c (h w) -> b c h w", h=GRID)))
        return rearrange(x, "b c h w -> b (h w) c")


def crops_of(image: Tensor) -> list[Tensor]:
    """20 squares of 224 px, spread over the picture; small pictures are scaled up first."""
    if min(image.shape[-2:]) <= SIDE:
        scale = (SIDE + 1) / min(image.shape[-2:])
        image = F.interpolate(image, scale_factor=scale, mode="bilinear")
    height, width = image.shape[-2:]
    per_row = math.ceil(math.sqrt(CROPS))
    down, across = ((edge - SIDE) // math.isqrt(CROPS) for edge in (height, width))
    corners = [(row * down, column * across) for row in range(per_row) for column in range(per_row)]
    return [image[..., y : y + SIDE, x : x + SIDE] for y, x in corners[:CROPS]]


def windows_of(grid: Tensor) -> Tensor:
    """`[B·windows,16,C]` of `[B,28,28,C]`."""
    return rearrange(grid, "b (r h) (s w) c -> (b r s) (h w) c", h=WINDOW, w=WINDOW)


def joined(windows: Tensor) -> Tensor:
    """Inverse of `windows_of`."""
    count = GRID // WINDOW
    return rearrange(windows, "(b r s) (h w) c -> b (r h) (s w) c", r=count, s=count, h=WINDOW)


def relative_places() -> Tensor:
    """`[16,16]`: which entry of the table holds for a pair of pixels of a window."""
    place = torch.stack(
        torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")
    ).flatten(1)
    apart = place[:, :, None] - place[:, None] + WINDOW - 1
    return apart[0] * (2 * WINDOW - 1) + apart[1]


def shifted_mask(shift: int) -> Tensor:
    """`[windows,16,16]`: 0 for neighbours, `APART` for pixels that only the shift put together."""
    edge = torch.zeros(GRID)
    edge[-WINDOW:-shift], edge[-shift:] = 1, 2
    region = (3 * edge[:, None] + edge).view(1, GRID, GRID, 1)
    regions = windows_of(region)[..., 0]
    return torch.where(regions[:, :, None] == regions[:, None], 0.0, APART)
