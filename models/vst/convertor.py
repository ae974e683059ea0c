"""VST's convertor: the tokens of image and depth look at each other."""

from __future__ import annotations

from torch import Tensor, nn

from .blocks import Mlp, SelfAttention, attention
from .sizes import VstSizes


class Convertor(nn.Module):
    """Layers that exchange what the two backbones found."""

    def __init__(self, sizes: VstSizes) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ExchangeBlock(sizes) for _ in range(sizes.convertor_blocks))
        self.rgb_norm = nn.LayerNorm(sizes.width)
        self.depth_norm = nn.LayerNorm(sizes.width)

    def forward(self, rgb: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens `[B,N,C]` of image and depth to those that know of each other."""
        for block in self.blocks:
            rgb, depth = block(rgb, depth)
        return self.rgb_norm(rgb), self.depth_norm(depth)


class ExchangeBlock(nn.Module):
    """Attention across the two, then within each."""

    def __init__(self, sizes: VstSizes) -> None:
        super().__init__()
        width, heads, hidden = sizes.width, sizes.heads, sizes.mlp_ratio * sizes.width
        self.norm1_rgb_ma = nn.LayerNorm(width)
        self.norm2_depth_ma = nn.LayerNorm(width)
        self.mutualAttn = MutualAttention(width, heads)
        self.norm3_rgb_ma = nn.LayerNorm(width)
        self.norm4_depth_ma = nn.LayerNorm(width)
        self.mlp_rgb_ma = Mlp(width, hidden)
        self.mlp_depth_ma = Mlp(width, hidden)

        self.norm1_rgb_sa = nn.LayerNorm(width)
        self.selfAttn_rgb = SelfAttention(width, heads)
        self.norm2_rgb_sa = nn.LayerNorm(width)
        self.mlp_rgb_sa = Mlp(width, hidden)

        self.norm1_depth_sa = nn.LayerNorm(width)
        self.selfAttn_depth = SelfAttention(width, heads)
        self.norm2_depth_sa = nn.LayerNorm(width)
        self.mlp_depth_sa = Mlp(width, hidden)

    def forward(self, rgb: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens `[B,N,C]` of image and depth."""
        from_depth, from_rgb = self.mutualAttn(self.norm1_rgb_ma(rgb), self.norm2_depth_ma(depth))
        rgb, depth = rgb + from_depth, depth + from_rgb
        rgb = rgb + self.mlp_rgb_ma(self.norm3_rgb_ma(rgb))
        depth = depth + self.mlp_depth_ma(self.norm4_depth_ma(depth))

        rgb = rgb + self.selfAttn_rgb(self.norm1_rgb_sa(rgb))
        rgb = rgb + self.mlp_rgb_sa(self.norm2_rgb_sa(rgb))
        depth = depth + self.selfAttn_depth(self.norm1_depth_sa(depth))
        depth = depth + self.mlp_depth_sa(self.norm2_depth_sa(depth))
        return rgb, depth


class MutualAttention(nn.Module):
    """The image asks the depth, and the depth the image."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.rgb_q = nn.Linear(width, width, bias=False)
        self.rgb_k = nn.Linear(width, width, bias=False)
        self.rgb_v = nn.Linear(width, width, bias=False)
        self.rgb_proj = nn.Linear(width, width)
        self.depth_q = nn.Linear(width, width, bias=False)
        self.depth_k = nn.Linear(width, width, bias=False)
        self.depth_v = nn.Linear(width, width, bias=False)
        self.depth_proj = nn.Linear(width, width)

    def forward(self, rgb: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """What the image learns from the depth, and the depth from the image, `[B,N,C]` each."""
        of_rgb = self.rgb_q(rgb), self.rgb_k(rgb), self.rgb_v(rgb)
        of_depth = self.depth_q(depth), self.depth_k(depth), self.depth_v(depth)
        to_rgb = attention(of_rgb[0], *of_depth[1:], self.heads)
        to_depth = attention(of_depth[0], *of_rgb[1:], self.heads)
        return self.rgb_proj(to_rgb), self.depth_proj(to_depth)
