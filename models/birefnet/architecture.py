"""BiRefNet with the published parameter names.

An encoder sees the picture whole and at half the size; a decoder builds the mask from coarse to
fine, and looks at the picture itself again at every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .deformable import DeformableConv2d
from .swin import SwinTransformer

INNER = 64
ATTENTION = 256
KERNELS = (1, 3, 7)
EDGES = 16
# The picture's sides have to be multiples of this.
MULTIPLE = 32


class Variant(NamedTuple):
    """Size of the encoder; that of the decoder follows. See `SwinTransformer`."""

    width: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    window: int


LARGE = Variant(192, (2, 2, 18, 2), (6, 12, 24, 48), 12)


class BiRefNet(nn.Module):
    """The network.

    Args:
        variant: of the encoder.
    """

    def __init__(self, variant: Variant = LARGE) -> None:
        super().__init__()
        self.bb = SwinTransformer(*variant)
        # Of both looks at the picture together, coarsest first.
        channels = [2 * variant.width * 2**stage for stage in (3, 2, 1, 0)]
        self.squeeze_module = nn.Sequential(_DecoderBlock(sum(channels), channels[0]))
        self.decoder = _Decoder(channels)

    def forward(self, picture: Tensor) -> Tensor:
        """Logits of the subject.

        Args:
            picture: `[B,3,H,W]`, ImageNet-normalised; sides are multiples of `MULTIPLE`.

        Returns:
            `[B,1,H,W]`.
        """
        height, width = picture.shape[-2:]
        half = _resized(picture, (height // 2, width // 2))
        pairs = zip(self.bb(picture), self.bb(half), strict=True)
        stages = [torch.cat([fine, _like(coarse, fine)], dim=1) for fine, coarse in pairs]
        context = [_like(stage, stages[-1]) for stage in stages[:-1]]
        stages[-1] = self.squeeze_module(torch.cat([*context, stages[-1]], dim=1))
        return self.decoder(picture, stages)


class _Decoder(nn.Module):
    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        looks = [channels[0] // 8, *(own // 8 for own in channels)]
        for number, own in zip((5, 4, 3, 2, 1), looks, strict=True):
            # Squares of 32 to 2 px, of which every px is a channel, then the picture itself.
            side = 2**number if number > 1 else 1
            self.add_module(f"ipt_blk{number}", _Convolutions(3 * side * side, own))
        results = [*channels[1:], channels[-1] // 2]
        for index, number in enumerate((4, 3, 2, 1)):
            inputs = channels[index] + looks[index]
            self.add_module(f"decoder_block{number}", _DecoderBlock(inputs, results[index]))
        self.conv_out1 = nn.Sequential(nn.Conv2d(results[-1] + looks[-1], 1, 1))
        for index, number in enumerate((4, 3, 2)):
            own = results[index]
            self.add_module(f"lateral_block{number}", _Lateral(channels[index + 1], own))
            # Only training looks at the masks on the way and at the edges that are predicted.
            self.add_module(f"conv_ms_spvn_{number}", nn.Conv2d(own, 1, 1))
            edges = nn.Sequential(
                nn.Conv2d(own, EDGES, 3, padding=1), nn.BatchNorm2d(EDGES), nn.ReLU()
            )
            self.add_module(f"gdt_convs_{number}", edges)
            for purpose in ("pred", "attn"):
                last = nn.Sequential(nn.Conv2d(EDGES, 1, 1))
                self.add_module(f"gdt_convs_{purpose}_{number}", last)

    def forward(self, picture: Tensor, stages: Sequence[Tensor]) -> Tensor:
        """Logits `[B,1,H,W]`; `stages` are the encoder's, finest first."""
        features = stages[-1]
        for number in (4, 3, 2):
            below = stages[number - 2]
            features = self._with_look(features, picture, number + 1)
            features = self.get_submodule(f"decoder_block{number}")(features)
            features = _like(features * self._edges(features, number), below)
            features = features + self.get_submodule(f"lateral_block{number}")(below)
        features = self.get_submodule("decoder_block1")(self._with_look(features, picture, 2))
        return self.conv_out1(self._with_look(_like(features, picture), picture, 1))

    def _with_look(self, features: Tensor, picture: Tensor, number: int) -> Tensor:
        """Features together with what the picture shows there."""
        down = picture.shape[-2] // features.shape[-2]
        right = picture.shape[-1] // features.shape[-1]
        parts = rearrange(picture, "b c (y h) (x w) -> b (c y x) h w", y=down, x=right)
        look = self.get_submodule(f"ipt_blk{number}")(_like(parts, features))
        return torch.cat([features, look], dim=1)

    def _edges(self, features: Tensor, number: int) -> Tensor:
        edges = self.get_submodule(f"gdt_convs_{number}")(features)
        return self.get_submodule(f"gdt_convs_attn_{number}")(edges).sigmoid()


class _Convolutions(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, INNER, 3, padding=1)
        self.conv_out = nn.Conv2d(INNER, outputs, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        return self.conv_out(self.conv1(features))


class _Lateral(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.conv(features)


class _DecoderBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(inputs, INNER, 3, padding=1)
        self.bn_in = nn.BatchNorm2d(INNER)
        self.dec_att = _Pyramid(INNER)
        self.conv_out = nn.Conv2d(INNER, outputs, 3, padding=1)
        self.bn_out = nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        inner = F.relu(self.bn_in(self.conv_in(features)))
        return self.bn_out(self.conv_out(self.dec_att(inner)))


class _Pyramid(nn.Module):
    """Deformable convolutions of several sizes beside each other, and the mean of everything."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.aspp1 = _Branch(width, 1)
        self.aspp_deforms = nn.ModuleList(_Branch(width, size) for size in KERNELS)
        self.global_avg_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, ATTENTION, 1, bias=False),
            nn.BatchNorm2d(ATTENTION),
            nn.ReLU(),
        )
        self.conv1 = nn.Conv2d((2 + len(KERNELS)) * ATTENTION, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)

    def forward(self, features: Tensor) -> Tensor:
        branches = [self.aspp1(features), *(branch(features) for branch in self.aspp_deforms)]
        mean = self.global_avg_pool(features).expand_as(branches[0])
        return F.relu(self.bn1(self.conv1(torch.cat([*branches, mean], dim=1))))


class _Branch(nn.Module):
    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.atrous_conv = DeformableConv2d(width, ATTENTION, size)
        self.bn = nn.BatchNorm2d(ATTENTION)

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(self.bn(self.atrous_conv(features)))


def _like(features: Tensor, other: Tensor) -> Tensor:
    return _resized(features, (other.shape[-2], other.shape[-1]))


def _resized(features: Tensor, size: tuple[int, int]) -> Tensor:
    """`[B,C,h,w]` to `[B,C,H,W]`, the way BiRefNet does it everywhere: corners on corners."""
    if features.shape[-2:] == size:
        return features
    return F.interpolate(features, size, mode="bilinear", align_corners=True)
