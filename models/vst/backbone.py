"""T2T-ViT (Yuan et al. 2021), the backbone of VST, with the published parameter names."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .blocks import Block, Mlp
from .sizes import STRIDE, VstSizes


class Split(NamedTuple):
    """How a map is cut into overlapping pieces that become tokens, and put together again."""

    kernel_size: int
    stride: int
    padding: int


COARSE, FINE = Split(7, 4, 2), Split(3, 2, 1)


class BackboneTokens(NamedTuple):
    """Tokens at three scales, row by row.

    Args:
        sixteenth: `[B,(H/16)(W/16),C]`, after all layers.
        eighth: `[B,(H/8)(W/8),c]`.
        quarter: `[B,(H/4)(W/4),c]`.
    """

    sixteenth: Tensor
    eighth: Tensor
    quarter: Tensor


class Backbone(nn.Module):
    """T2T-ViT: tokens that are merged twice, then a vision transformer."""

    pos_embed: Tensor

    def __init__(self, sizes: VstSizes) -> None:
        super().__init__()
        self.tokens_to_token = TokensToToken(sizes)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, sizes.width))
        count = (sizes.image // STRIDE) ** 2 + 1
        self.register_buffer("pos_embed", sinusoids(count, sizes.width)[None])
        self.blocks = nn.ModuleList(
            Block(sizes.width, sizes.heads, sizes.mlp_ratio) for _ in range(sizes.backbone_blocks)
        )
        self.norm = nn.LayerNorm(sizes.width)
        # The classifier of its pretraining. Nothing asks it; published files have it.
        self.head = nn.Linear(sizes.width, sizes.classes)

    def forward(self, image: Tensor) -> BackboneTokens:
        """Tokens of a normalised image `[B,3,H,W]`, of the size that the network is made for."""
        merged = self.tokens_to_token(image)
        class_token = self.cls_token.expand(len(image), -1, -1)
        tokens = torch.cat([class_token, merged.sixteenth], dim=1) + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens)
        return merged._replace(sixteenth=self.norm(tokens)[:, 1:])


class TokensToToken(nn.Module):
    """Overlapping patches become tokens, neighbouring tokens become one, twice."""

    def __init__(self, sizes: VstSizes) -> None:
        super().__init__()
        wide = sizes.token_width * FINE.kernel_size**2
        self.attention1 = MergingBlock(3 * COARSE.kernel_size**2, sizes.token_width)
        self.attention2 = MergingBlock(wide, sizes.token_width)
        self.project = nn.Linear(wide, sizes.width)

    def forward(self, image: Tensor) -> BackboneTokens:
        """An image `[B,3,H,W]` to tokens; those at 1/16 have yet to go through the layers."""
        side = image.shape[-1]
        quarter = self.attention1(_pieces(image, COARSE))
        eighth = self.attention2(_pieces(as_map(quarter, side // 4), FINE))
        sixteenth = self.project(_pieces(as_map(eighth, side // 8), FINE))
        return BackboneTokens(sixteenth, eighth, quarter)


class MergingBlock(nn.Module):
    """A transformer layer whose output is narrower than its input."""

    def __init__(self, width: int, token_width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = MergingAttention(width, token_width)
        self.norm2 = nn.LayerNorm(token_width)
        self.mlp = Mlp(token_width, token_width)

    def forward(self, pieces: Tensor) -> Tensor:
        """`[B,N,width]` to `[B,N,token_width]`."""
        tokens = self.attn(self.norm1(pieces))
        return tokens + self.mlp(self.norm2(tokens))


class MergingAttention(nn.Module):
    """Attention with one head that narrows; what it adds itself to are the values."""

    def __init__(self, width: int, token_width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * token_width, bias=False)
        self.proj = nn.Linear(token_width, token_width)

    def forward(self, pieces: Tensor) -> Tensor:
        """`[B,N,width]` to `[B,N,token_width]`."""
        query, key, value = self.qkv(pieces).chunk(3, dim=-1)
        # Scaled by the width of the input, not by that of the head.
        scale = pieces.shape[-1] ** -0.5
        attended = F.scaled_dot_product_attention(query, key, value, scale=scale)
        return value + self.proj(attended)


def as_map(tokens: Tensor, height: int) -> Tensor:
    """Tokens `[B,HW,C]` to a map `[B,C,H,W]`."""
    return rearrange(tokens, "b (h w) c -> b c h w", h=height)


def _pieces(values: Tensor, split: Split) -> Tensor:
    """A map `[B,C,H,W]` to its pieces `[B,N,C·kernel²]`."""
    return F.unfold(values, **split._asdict()).mT


def sinusoids(positions: int, width: int) -> Tensor:
    """`[positions, width]`: sine in the even, cosine in the odd columns, ever slower."""
    columns = torch.arange(width, dtype=torch.float64)
    rates = 10000.0 ** (-2.0 * (columns // 2) / width)
    angles = torch.arange(positions, dtype=torch.float64)[:, None] * rates
    return torch.where(columns % 2 == 0, angles.sin(), angles.cos()).float()
