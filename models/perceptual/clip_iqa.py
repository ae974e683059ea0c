"""CLIP-IQA: how much a picture is a "Good photo." rather than a "Bad photo.".

Wang et al., "Exploring CLIP for Assessing the Look and Feel of Images": CLIP's ResNet-50 without
position embedding, so that pictures keep their size. Parameter names of OpenAI's CLIP.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..loaded import loaded
from ..places import located
from ..state_dict import load_network
from .clip import MEAN, STD
from .published import CLIP_RN50

# "Good photo." and "Bad photo." in CLIP's vocabulary, between its marks of start and end.
PROMPTS = ((49406, 886, 1125, 269, 49407), (49406, 2103, 1125, 269, 49407))
VOCABULARY, CONTEXT = 49408, 77
TEXT_WIDTH, TEXT_HEADS, TEXT_LAYERS = 512, 8, 12
EMBEDDING = 1024
STAGES = (3, 4, 6, 3)
IMAGE_HEADS = 32


def clip_iqa() -> ClipRn50:
    """CLIP's ResNet-50, on the CPU until it is lent.

    Raises:
        FileError: weights are missing or do not fit.
    """
    return loaded(load_clip_rn50, located(CLIP_RN50))


def load_clip_rn50(path: Path) -> ClipRn50:
    """CLIP's ResNet-50 with the weights of a file."""
    return load_network(ClipRn50, path, CLIP_RN50)


def quality(network: ClipRn50, image: Tensor) -> Tensor:
    """`[B]`, 0..1, of pictures `[B,3,H,W]`, sRGB-coded 0..1, of at least 32 px."""
    mean, std = (image.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    picture = F.normalize(network.visual((image - mean) / std), dim=-1)
    prompts = torch.tensor(PROMPTS, device=image.device)
    words = F.normalize(network.encode_text(prompts), dim=-1)
    return (network.logit_scale.exp() * picture @ words.T).softmax(-1)[:, 0]


class Bottleneck(nn.Module):
    """Three convolutions; sizes are halved by averaging, not by strides."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        outside = 4 * width
        self.stride = stride
        self.conv1 = nn.Conv2d(inside, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outside, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outside)
        self.downsample = None
        if stride > 1 or inside != outside:
            self.downsample = nn.Sequential(
                nn.Conv2d(inside, outside, 1, bias=False), nn.BatchNorm2d(outside)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Size divided by the stride."""
        inner = F.relu(self.bn1(self.conv1(x)))
        inner = self._smaller(F.relu(self.bn2(self.conv2(inner))))
        beside = x if self.downsample is None else self.downsample(self._smaller(x))
        return F.relu(self.bn3(self.conv3(inner)) + beside)

    def _smaller(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.stride) if self.stride > 1 else x


class AttentionPool(nn.Module):
    """One vector from a map: the mean asks all places."""

    def __init__(self, width: int, heads: int, outside: int) -> None:
        super().__init__()
        self.heads = heads
        # In the file; CLIP-IQA leaves it out.
        self.positional_embedding = nn.Parameter(torch.zeros(50, width))
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.c_proj = nn.Linear(width, outside)

    def forward(self, x: Tensor) -> Tensor:
        """`[B,outside]` of `[B,width,h,w]`."""
        places = rearrange(x, "b c h w -> b (h w) c")
        every = torch.cat([places.mean(1, keepdim=True), places], dim=1)
        pairs = ((self.q_proj, every[:, :1]), (self.k_proj, every), (self.v_proj, every))
        query, key, value = (
            rearrange(layer(tokens), "b n (h c) -> b h n c", h=self.heads)
            for layer, tokens in pairs
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.c_proj(rearrange(mixed, "b h n c -> b (n h c)"))


class ClipResNet(nn.Module):
    """CLIP's ResNet-50."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 32, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(64)
        inside = 64
        for index, count in enumerate(STAGES):
            width = 64 * 2**index
            blocks = [Bottleneck(inside, width, 1 if index == 0 else 2)]
            inside = 4 * width
            blocks += [Bottleneck(inside, width, 1) for _ in range(count - 1)]
            setattr(self, f"layer{index + 1}", nn.Sequential(*blocks))
        self.attnpool = AttentionPool(inside, IMAGE_HEADS, EMBEDDING)

    def forward(self, x: Tensor) -> Tensor:
        """`[B,1024]`."""
        for index in (1, 2, 3):
            x = F.relu(getattr(self, f"bn{index}")(getattr(self, f"conv{index}")(x)))
        x = F.avg_pool2d(x, 2)
        for index in range(len(STAGES)):
            x = getattr(self, f"layer{index + 1}")(x)
        return self.attnpool(x)


class TextMlp(nn.Module):
    """Two layers with CLIP's quick GELU between."""

    def __init__(self) -> None:
        super().__init__()
        self.c_fc = nn.Linear(TEXT_WIDTH, 4 * TEXT_WIDTH)
        self.c_proj = nn.Linear(4 * TEXT_WIDTH, TEXT_WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """`[…,C]`."""
        inner = self.c_fc(x)
        return self.c_proj(inner * torch.sigmoid(1.702 * inner))


class TextBlock(nn.Module):
    """Attention to earlier words, and MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(TEXT_WIDTH, TEXT_HEADS, batch_first=True)
        self.ln_1 = nn.LayerNorm(TEXT_WIDTH)
        self.mlp = TextMlp()
        self.ln_2 = nn.LayerNorm(TEXT_WIDTH)

    def forward(self, x: Tensor, later: Tensor) -> Tensor:
        """`[B,N,C]`; `later` `[N,N]` is true where a word may not look."""
        words = self.ln_1(x)
        x = x + self.attn(words, words, words, need_weights=False, attn_mask=later)[0]
        return x + self.mlp(self.ln_2(x))


class TextTransformer(nn.Module):
    """The blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(TextBlock() for _ in range(TEXT_LAYERS))


class ClipRn50(nn.Module):
    """CLIP with a ResNet-50."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = ClipResNet()
        self.transformer = TextTransformer()
        self.token_embedding = nn.Embedding(VOCABULARY, TEXT_WIDTH)
        self.positional_embedding = nn.Parameter(torch.zeros(CONTEXT, TEXT_WIDTH))
        self.ln_final = nn.LayerNorm(TEXT_WIDTH)
        self.text_projection = nn.Parameter(torch.zeros(TEXT_WIDTH, EMBEDDING))
        self.logit_scale = nn.Parameter(torch.zeros(()))

    def encode_text(self, tokens: Tensor) -> Tensor:
        """`[B,1024]` of texts `[B,N]` that end with the mark of the end."""
        count = tokens.shape[1]
        x = self.token_embedding(tokens) + self.positional_embedding[:count]
        later = torch.ones(count, count, dtype=torch.bool, device=x.device).triu(1)
        for block in self.transformer.resblocks:
            x = block(x, later)
        return self.ln_final(x[:, -1]) @ self.text_projection
