"""The convolutional parts of AlexNet and VGG16 under torchvision's parameter names."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

# What `features` holds, in order: a convolution (channels, kernel, stride, padding), a ReLU, or a
# max pooling (kernel, stride).
Layer = tuple[int, int, int, int] | tuple[int, int] | None
RELU = None


def _vgg_block(channels: int, convolutions: int) -> list[Layer]:
    return [layer for _ in range(convolutions) for layer in ((channels, 3, 1, 1), RELU)]


_VGG_POOL: Layer = (2, 2)
VGG16: tuple[Layer, ...] = (
    *_vgg_block(64, 2),
    _VGG_POOL,
    *_vgg_block(128, 2),
    _VGG_POOL,
    *_vgg_block(256, 3),
    _VGG_POOL,
    *_vgg_block(512, 3),
    _VGG_POOL,
    *_vgg_block(512, 3),
)
ALEXNET: tuple[Layer, ...] = (
    (64, 11, 4, 2),
    RELU,
    (3, 2),
    (192, 5, 1, 2),
    RELU,
    (3, 2),
    (384, 3, 1, 1),
    RELU,
    (256, 3, 1, 1),
    RELU,
    (256, 3, 1, 1),
    RELU,
)


class Backbone(nn.Module):
    """Convolutions whose features at several depths are wanted.

    Args:
        layers: what the network is made of.
        taps: indices of the layers whose results are features.
    """

    def __init__(self, layers: Sequence[Layer], taps: Sequence[int]) -> None:
        super().__init__()
        self.taps = frozenset(taps)
        channels, modules = 3, []
        for layer in layers:
            if layer is None:
                modules.append(nn.ReLU())
            elif len(layer) == 2:
                modules.append(nn.MaxPool2d(*layer))
            else:
                modules.append(nn.Conv2d(channels, *layer))
                channels = layer[0]
        self.features = nn.Sequential(*modules)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features `[B,C,h,w]` of an image `[B,3,H,W]`, from fine to coarse."""
        found = []
        for index, layer in enumerate(self.features):
            image = self.step(layer, image)
            if index in self.taps:
                found.append(image)
        return found

    def step(self, layer: nn.Module, image: Tensor) -> Tensor:
        """What a layer makes of the features before it."""
        return layer(image)


def alexnet() -> Backbone:
    """AlexNet with the five ReLUs that LPIPS taps."""
    return Backbone(ALEXNET, (1, 4, 7, 9, 11))


def vgg16() -> Backbone:
    """VGG16 with the last ReLU of each of its five blocks tapped: relu1_2 to relu5_3."""
    return Backbone(VGG16, (3, 8, 15, 22, 29))


class SmoothBackbone(Backbone):
    """With poolings as in DISTS: the root of a blurred square instead of the largest value.

    A Hann window keeps the features from depending on where the picture's pixels lie (aliasing).
    """

    def step(self, layer: nn.Module, image: Tensor) -> Tensor:
        """What a layer makes of the features before it."""
        return l2_pooled(image) if isinstance(layer, nn.MaxPool2d) else layer(image)


def smooth_vgg16() -> SmoothBackbone:
    """VGG16 as DISTS uses it."""
    return SmoothBackbone(VGG16, (3, 8, 15, 22, 29))


def l2_pooled(features: Tensor) -> Tensor:
    """Half the size: `sqrt(hann ∗ features²)`, window 3×3 (weights 1 2 1), stride 2."""
    channels = features.shape[1]
    line = features.new_tensor((0.25, 0.5, 0.25))
    window = (line[:, None] * line).expand(channels, 1, 3, 3)
    # The summand keeps the gradient finite where all is 0.
    blurred = F.conv2d(features.square(), window, stride=2, padding=1, groups=channels)
    return (blurred + 1e-12).sqrt()
