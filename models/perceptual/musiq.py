"""MUSIQ: the opinion score that people would give a picture, from patches at several sizes.

Ke et al., "MUSIQ: Multi-scale Image Quality Transformer"; parameter names of the IQA-PyTorch
conversion, trained on KonIQ-10k.
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
from .published import MUSIQ

PATCH = 32
# Longer edges in px of the two smaller copies; the third is the picture itself.
EDGES = (224, 384)
# Patches find their place on a grid of 10×10, whatever the picture's size.
GRID = 10
WIDTH, MLP_WIDTH, HEADS, LAYERS = 384, 1152, 6, 14


def musiq() -> Musiq:
    """MUSIQ, on the CPU until it is lent.

    Raises:
        FileError: weights are missing or do not fit.
    """
    return loaded(load_musiq, located(MUSIQ))


def load_musiq(path: Path) -> Musiq:
    """MUSIQ with the weights of a file."""
    return load_network(Musiq, path, MUSIQ)


class StandardConv(nn.Conv2d):
    """Convolution with standardised weights and a padding as in TensorFlow."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (PyTorch's name)
        """Size divided by the stride, rounded up."""
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        weight = weight / (weight.std((1, 2, 3), keepdim=True) + 1e-5)
        padded = padded_as_same(input, self.kernel_size[0], self.stride[0])
        return F.conv2d(padded, weight, self.bias, self.stride)


def padded_as_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Zeros around, the odd one at the end, so that the size is divided by the stride."""
    rows, columns = (
        max((math.ceil(edge / stride) - 1) * stride + kernel - edge, 0) for edge in x.shape[-2:]
    )
    return F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


class Bottleneck(nn.Module):
    """Three convolutions beside a projection."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv1 = StandardConv(inside, inside, 1, bias=False)
        self.gn1 = nn.GroupNorm(32, inside, eps=1e-4)
        self.conv2 = StandardConv(inside, inside, 3, bias=False)
        self.gn2 = nn.GroupNorm(32, inside, eps=1e-4)
        self.conv3 = StandardConv(inside, outside, 1, bias=False)
        self.gn3 = nn.GroupNorm(32, outside, eps=1e-4)
        self.conv_proj = StandardConv(inside, outside, 1, bias=False)
        self.gn_proj = nn.GroupNorm(32, outside, eps=1e-4)

    def forward(self, x: Tensor) -> Tensor:
        """Same size."""
        inner = F.relu(self.gn1(self.conv1(x)))
        inner = F.relu(self.gn2(self.conv2(inner)))
        return F.relu(self.gn3(self.conv3(inner)) + self.gn_proj(self.conv_proj(x)))


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """Tokens `[B,N,C]`."""
        query, key, value = (
            rearrange(layer(x), "b n (h c) -> b h n c", h=self.heads)
            for layer in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out(rearrange(mixed, "b h n c -> b n (h c)"))


class Mlp(nn.Module):
    """Two layers with GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """`[…,C]`."""
        return self.fc2(F.gelu(self.fc1(x)))


class TransformerBlock(nn.Module):
    """Attention and MLP, each normalised before and added."""

    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens `[B,N,C]`."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PositionEmbedding(nn.Module):
    """Where a patch is on the grid."""

    def __init__(self) -> None:
        super().__init__()
        self.position_emb = nn.Parameter(torch.zeros(1, GRID * GRID, WIDTH))


class ScaleEmbedding(nn.Module):
    """Of which copy a patch is."""

    def __init__(self) -> None:
        super().__init__()
        self.scale_emb = nn.Parameter(torch.zeros(len(EDGES) + 1, WIDTH))


class Encoder(nn.Module):
    """The transformer; its first token gathers the verdict."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.posembed_input, self.scaleembed_input = PositionEmbedding(), ScaleEmbedding()
        self.cls = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.encoder_norm = nn.LayerNorm(WIDTH, eps=1e-6)
        self.transformer = nn.ModuleDict(
            {
                f"encoderblock_{index}": TransformerBlock(WIDTH, MLP_WIDTH, HEADS)
                for index in range(layers)
            }
        )

    def forward(self, x: Tensor, places: Tensor, scales: Tensor) -> Tensor:
        """The first token `[B,C]` from patches `[B,N,C]`, their places and scales `[N]`."""
        x = (
            x
            + self.posembed_input.position_emb[0, places]
            + self.scaleembed_input.scale_emb[scales]
        )
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1)
        for block in self.transformer.values():
            x = block(x)
        return self.encoder_norm(x)[:, 0]


class Musiq(nn.Module):
    """Opinion scores of pictures.

    Args:
        layers: of the transformer; fewer in tests.
    """

    def __init__(self, layers: int = LAYERS) -> None:
        super().__init__()
        self.conv_root = StandardConv(3, 64, 7, 2, bias=False)
        self.gn_root = nn.GroupNorm(32, 64, eps=1e-6)
        self.block1 = Bottleneck(64, 256)
        self.embedding = nn.Linear(256 * (PATCH // 4) ** 2, WIDTH)
        self.transformer_encoder = Encoder(layers)
        self.head = nn.Linear(WIDTH, 1)

    def forward(self, image: Tensor) -> Tensor:
        """`[B]`, about 0..100, of pictures `[B,3,H,W]`, sRGB-coded 0..1."""
        copies = multiscale(2.0 * image - 1.0)
        tokens = torch.cat([self._tokens(patches_of(copy)) for copy in copies], dim=1)
        places = torch.cat([places_of(copy) for copy in copies]).to(image.device)
        scales = torch.cat(
            [
                torch.full((len(places_of(copy)),), index, device=image.device)
                for index, copy in enumerate(copies)
            ]
        )
        return self.head(self.transformer_encoder(tokens, places, scales))[:, 0]

    def _tokens(self, patches: Tensor) -> Tensor:
        """`[B,N,C]` from patches `[B,N,3,32,32]`."""
        batch = len(patches)
        x = F.relu(self.gn_root(self.conv_root(patches.flatten(0, 1))))
        x = self.block1(F.max_pool2d(padded_as_same(x, 3, 2), 3, 2))
        # TensorFlow's order: channels last.
        return self.embedding(rearrange(x, "(b n) c h w -> b n (h w c)", b=batch))


def multiscale(image: Tensor) -> list[Tensor]:
    """Two copies with the longer edges `EDGES`, and the picture."""
    height, width = image.shape[-2:]
    copies = []
    for edge in EDGES:
        ratio = edge / max(height, width)
        size = (round(height * ratio), round(width * ratio))
        copies.append(F.interpolate(image, size, mode="bicubic", align_corners=False))
    return [*copies, image]


def patches_of(image: Tensor) -> Tensor:
    """`[B,N,3,32,32]` row by row; what is missing at the edges is 0."""
    cut = F.unfold(padded_as_same(image, PATCH, PATCH), PATCH, stride=PATCH)
    return rearrange(cut, "b (c h w) n -> b n c h w", h=PATCH, w=PATCH)


def places_of(image: Tensor) -> Tensor:
    """`[N]`: where the patches are on the grid, row by row."""
    rows, columns = (math.ceil(edge / PATCH) for edge in image.shape[-2:])
    row = torch.arange(rows) * GRID // rows
    column = torch.arange(columns) * GRID // columns
    return (row[:, None] * GRID + column).flatten()
