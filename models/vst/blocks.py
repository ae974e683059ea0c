"""What VST's transformers are made of, with the published parameter names."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

# Keeps the performer's weights from being divided by nothing.
LEAST_WEIGHT = 1e-8


def attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Multi-head scaled dot-product attention.

    Args:
        query: `[B,N,C]`.
        key: `[B,M,C]`.
        value: `[B,M,C]`.
        heads: into how many C is divided.

    Returns:
        `[B,N,C]`.
    """
    query, key, value = (
        rearrange(part, "b n (h c) -> b h n c", h=heads) for part in (query, key, value)
    )
    attended = F.scaled_dot_product_attention(query, key, value)
    return rearrange(attended, "b h n c -> b n (h c)")


class Mlp(nn.Module):
    """Two layers with a GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B,N,C]` to `[B,N,C]`."""
        return self.fc2(F.gelu(self.fc1(tokens)))


def projection(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two layers, where the published names count them."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs))


class SelfAttention(nn.Module):
    """Every token looks at all tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B,N,C]` to `[B,N,C]`."""
        query, key, value = self.qkv(tokens).chunk(3, dim=-1)
        return self.proj(attention(query, key, value, self.heads))


class Block(nn.Module):
    """A layer of a transformer: attention, then a perceptron for each token."""

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = SelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, mlp_ratio * width)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B,N,C]` to `[B,N,C]`."""
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class Performer(nn.Module):
    """Attention in linear time, with random features of the softmax kernel (Choromanski et al.)."""

    w: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kqv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = projection(width, width, width)
        features = width // 2
        # Drawn once and never trained, but part of what was trained with it.
        directions = nn.init.orthogonal_(torch.empty(features, width)) * features**0.5
        self.register_buffer("w", directions)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B,N,C]` to `[B,N,C]`."""
        tokens = tokens + self._attended(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))

    def _attended(self, tokens: Tensor) -> Tensor:
        key, query, value = self.kqv(tokens).float().chunk(3, dim=-1)
        key, query = self._features(key), self._features(query)
        weight = query @ key.sum(dim=1).unsqueeze(-1)  # [B,N,1]
        mixed = query @ (key.mT @ value) / (weight + LEAST_WEIGHT)
        return self.proj(mixed.to(tokens.dtype))

    def _features(self, tokens: Tensor) -> Tensor:
        """`exp(w·x − |x|²/2) / √m`, `[B,N,m]`: in float32, since half precision overflows."""
        directions = self.w.float()
        exponent = tokens @ directions.mT - tokens.square().sum(dim=-1, keepdim=True) / 2
        return exponent.exp() / len(directions) ** 0.5
