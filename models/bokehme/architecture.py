"""BokehMe's two networks, with the published parameter names.

Both are plain stacks of 3×3 convolutions at half the size of their input. What they take and give
is sRGB-coded; defocus is in units of `hybrid.PX_PER_UNIT`, gamma 1..5 is mapped to 0..1.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS = 3


class ARNet(nn.Module):
    """Adaptive rendering: a small blurred picture, and where the classical one is wrong."""

    channels = 128

    def __init__(self) -> None:
        super().__init__()
        # Image and defocus, four pixels each, and gamma.
        self.conv0 = _convolution(4 * 4 + 1, self.channels)
        self.block_stack = _BlockStack(self.channels)
        self.conv1 = _convolution(self.channels, 4 * 4, is_last=True)

    def forward(self, image: Tensor, defocus: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
        """Render at the size of the image.

        Args:
            image: `[B,3,H,W]`.
            defocus: `[B,1,H,W]`, -1..1.
            gamma: 0..1.

        Returns:
            The blurred picture `[B,3,H,W]` and the error map `[B,1,H,W]`, 0..1.
        """
        pixels = _halved(torch.cat([image, defocus], dim=1))
        features = self.block_stack(self.conv0(torch.cat([pixels, _plane(gamma, pixels)], dim=1)))
        output = _doubled(self.conv1(features), image)
        return output[:, :3], torch.sigmoid(output[:, 3:])


class IUNet(nn.Module):
    """Iterative upsampling: the blurred picture at twice the size."""

    channels = 64

    def __init__(self) -> None:
        super().__init__()
        # Image and defocus, four pixels each, the coarse picture and gamma.
        self.conv0 = _convolution(4 * 4 + 3 + 1, self.channels)
        self.block_stack = _BlockStack(self.channels)
        self.conv1 = _convolution(self.channels, 4 * 3, is_last=True)

    def forward(self, image: Tensor, defocus: Tensor, coarse: Tensor, gamma: float) -> Tensor:
        """Refine at the size of the image.

        Args:
            image: `[B,3,H,W]`.
            defocus: `[B,1,H,W]`, -1..1.
            coarse: the blurred picture at about half the size, `[B,3,h,w]`.
            gamma: 0..1.

        Returns:
            The blurred picture `[B,3,H,W]`.
        """
        pixels = _halved(torch.cat([image, defocus], dim=1))
        if coarse.shape[-2:] != pixels.shape[-2:]:
            size = [int(side) for side in pixels.shape[-2:]]
            coarse = F.interpolate(coarse, size, mode="bilinear", align_corners=False)
        planes = torch.cat([pixels, coarse, _plane(gamma, pixels)], dim=1)
        return _doubled(self.conv1(self.block_stack(self.conv0(planes))), image)


class _BlockStack(nn.Module):
    """Residual blocks of two convolutions each."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(_convolution(channels, channels), _convolution(channels, channels))
            for _ in range(BLOCKS)
        )

    def forward(self, features: Tensor) -> Tensor:
        for block in self.blocks:
            features = block(features) + features
        return features


def _convolution(inputs: int, outputs: int, is_last: bool = False) -> nn.Sequential:
    layers = OrderedDict[str, nn.Module](conv=nn.Conv2d(inputs, outputs, 3, padding=1))
    if not is_last:
        layers["activation"] = nn.ELU(inplace=True)
    return nn.Sequential(layers)


def _halved(pixels: Tensor) -> Tensor:
    """`[B,C,H,W]` to `[B,4C,H/2,W/2]`, with odd sides first resized to even ones."""
    size = [max(2, side // 2 * 2) for side in pixels.shape[-2:]]
    return F.pixel_unshuffle(resized(pixels, size), 2)


def _doubled(features: Tensor, image: Tensor) -> Tensor:
    """`[B,4C,H/2,W/2]` to `[B,C,H,W]`, the size of the image."""
    return resized(F.pixel_shuffle(features, 2), image.shape[-2:])


def _plane(value: float, like: Tensor) -> Tensor:
    return torch.full_like(like[:, :1], value)


def resized(maps: Tensor, size: list[int] | torch.Size) -> Tensor:
    """`[B,C,h,w]` to `[B,C,H,W]`, the way BokehMe does it everywhere: corners on corners."""
    if maps.shape[-2:] == tuple(size):
        return maps
    return F.interpolate(maps, list(size), mode="bilinear", align_corners=True)
