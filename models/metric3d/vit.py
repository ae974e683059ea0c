"""Metric3D's encoder: DINOv2 with registers (Darcet et al. 2024), with the published names.

The small and large ones hand on their last tokens, the giant one those of four depths.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH_PX = 14
REGISTERS = 4
# Tokens ahead of the patches: the class token and the registers.
LEADING_TOKENS = 1 + REGISTERS
# Side of the grid of patches that the position table was trained with.
TABLE_SIDE = 37
# Added to a grid's sides before the table is scaled to it, as DINOv2 does; it shifts all positions.
TABLE_OFFSET = 0.1
HEAD_WIDTH = 64
NORM_EPSILON = 1e-6
# The decoder reads tokens of this many depths.
READERS = 4

OnStep = Callable[[], object]


class VisionTransformer(nn.Module):
    """Picture to tokens.

    Its parameters may be in half precision. Then matrix products are; what the blocks add up stays
    in float32, because small details lie on large values there.

    Args:
        width: channels of a token, a multiple of `HEAD_WIDTH`.
        depth: number of blocks; a multiple of `READERS` if `is_giant`.
        is_giant: gated linear units in the blocks, and tokens of four depths, not normalised.
    """

    def __init__(self, width: int, depth: int, is_giant: bool) -> None:
        super().__init__()
        self.is_giant = is_giant
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + TABLE_SIDE**2, width))
        self.register_tokens = nn.Parameter(torch.zeros(1, REGISTERS, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, PATCH_PX, PATCH_PX)})
        # One chunk: the published names count chunks before blocks.
        chunk = nn.ModuleList(_Block(width, is_giant) for _ in range(depth))
        self.blocks = nn.ModuleList([chunk])
        self.norm = _Norm(width, NORM_EPSILON)

    def forward(self, image: Tensor, on_step: OnStep | None = None) -> list[Tensor]:
        """Tokens for each of the decoder's readers, the class token and the registers first.

        Args:
            image: `[B,3,H,W]`, normalised; H and W multiples of `PATCH_PX`.
            on_step: called after each block.

        Returns:
            `READERS` times `[B,5+H/14·W/14,C]` in float32, from the earliest; one tensor if all are
            the same.
        """
        tokens = self._embedded(image)
        blocks = self.blocks[0]
        assert isinstance(blocks, nn.ModuleList)
        stride = len(blocks) // READERS
        read: list[Tensor] = []
        for count, block in enumerate(blocks, start=1):
            tokens = block(tokens)
            if self.is_giant and count % stride == 0:
                read.append(tokens)
            if on_step:
                on_step()
        return read if self.is_giant else [self.norm.in_float32(tokens)] * READERS

    def _embedded(self, image: Tensor) -> Tensor:
        """The image's patches with their positions, behind the leading tokens."""
        patches = self.patch_embed["proj"](image.to(self.pos_embed.dtype))
        positions = self.positions(*patches.shape[-2:])
        patches = patches.flatten(2).transpose(1, 2) + positions[:, 1:]
        leading = torch.cat([self.cls_token + positions[:, :1], self.register_tokens], dim=1)
        return torch.cat([leading.expand(len(image), -1, -1), patches], dim=1)

    def positions(self, rows: int, columns: int) -> Tensor:
        """The position table for a grid of patches, `[1,1+rows·columns,C]`, in float32."""
        table = self.pos_embed.float()
        if rows == columns == TABLE_SIDE:
            return table
        square = table[:, 1:].unflatten(1, (TABLE_SIDE, TABLE_SIDE)).permute(0, 3, 1, 2)
        factors = [(side + TABLE_OFFSET) / TABLE_SIDE for side in (rows, columns)]
        scaled = F.interpolate(square, scale_factor=factors, mode="bicubic")
        assert scaled.shape[-2:] == (rows, columns)
        return torch.cat([table[:, :1], scaled.flatten(2).transpose(1, 2)], dim=1)


class _Block(nn.Module):
    def __init__(self, width: int, is_gated: bool) -> None:
        super().__init__()
        self.norm1 = _Norm(width, NORM_EPSILON)
        self.attn = _Attention(width)
        self.ls1 = _LayerScale(width)
        self.norm2 = _Norm(width, NORM_EPSILON)
        self.mlp = _GatedPerceptron(width) if is_gated else _Perceptron(width)
        self.ls2 = _LayerScale(width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = self.ls1(tokens, self.attn(self.norm1(tokens)))
        return self.ls2(tokens, self.mlp(self.norm2(tokens)))


class _Norm(nn.LayerNorm):
    """Normalises in float32, and hands on in the precision of its parameters."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (named as in the base class)
        return self.in_float32(input).to(self.weight.dtype)

    def in_float32(self, tokens: Tensor) -> Tensor:
        weight, bias = self.weight.float(), self.bias.float()
        return F.layer_norm(tokens, weight.shape, weight, bias, self.eps)


class _LayerScale(nn.Module):
    """Adds a branch with a weight per channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor, branch: Tensor) -> Tensor:
        return torch.addcmul(tokens, branch.float(), self.gamma.float())


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD_WIDTH
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        # [B,N,3·C] to three times [B,heads,N,HEAD_WIDTH]
        parts = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*parts.unbind(0))
        return self.proj(mixed.transpose(1, 2).flatten(2))


class _Perceptron(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(tokens)))


class _GatedPerceptron(nn.Module):
    """SwiGLU (Shazeer 2020), with about as many parameters as the plain one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = 8 * math.ceil(4 * width * 2 // 3 / 8)
        self.w12 = nn.Linear(width, 2 * hidden)
        self.w3 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        gate, values = self.w12(tokens).chunk(2, dim=-1)
        return self.w3(F.silu(gate) * values)
