"""DISTS: how unlike two pictures are in structure and in texture.

Ding et al., "Image Quality Assessment: Unifying Structure and Texture Similarity".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .backbones import SmoothBackbone

# The picture itself is the first of the features.
CHANNELS = (3, 64, 128, 256, 512, 512)
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Keeps quotients of almost nothing at 1.
LEAST = 1e-6


class DistsWeights(nn.Module):
    """How much each feature's mean (alpha) and structure (beta) count, `[1,1475,1,1]`."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(1, sum(CHANNELS), 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, sum(CHANNELS), 1, 1))


class Dists(nn.Module):
    """The distance of two pictures; differentiable.

    Args:
        backbone: gives the features.
        weights: weigh them.
    """

    def __init__(self, backbone: SmoothBackbone, weights: DistsWeights) -> None:
        super().__init__()
        self.backbone, self.weights = backbone, weights

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """`[B]`: 0 for equal pictures.

        Args:
            one, other: `[B,3,H,W]`, sRGB-coded 0..1. The published figures are of pictures whose
                shorter edge was scaled to 256 px.
        """
        total = self.weights.alpha.sum() + self.weights.beta.sum()
        alpha = (self.weights.alpha / total).split(CHANNELS, dim=1)
        beta = (self.weights.beta / total).split(CHANNELS, dim=1)
        likeness = one.new_zeros(len(one))
        pairs = zip(self._features(one), self._features(other), strict=True)
        for index, (first, second) in enumerate(pairs):
            texture, structure = _likenesses(first, second)
            likeness = likeness + (alpha[index] * texture + beta[index] * structure).sum((1, 2, 3))
        return 1.0 - likeness

    def _features(self, image: Tensor) -> list[Tensor]:
        mean = image.new_tensor(MEAN).view(1, 3, 1, 1)
        deviation = image.new_tensor(DEVIATION).view(1, 3, 1, 1)
        return [image, *self.backbone((image - mean) / deviation)]


def _likenesses(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Of two feature maps `[B,C,h,w]`: of their means, and of their structure, `[B,C,1,1]`."""
    means = [features.mean((2, 3), keepdim=True) for features in (first, second)]
    texture = (2 * means[0] * means[1] + LEAST) / (means[0] ** 2 + means[1] ** 2 + LEAST)
    variances = [
        (features - mean).square().mean((2, 3), keepdim=True)
        for features, mean in zip((first, second), means, strict=True)
    ]
    shared = (first * second).mean((2, 3), keepdim=True) - means[0] * means[1]
    structure = (2 * shared + LEAST) / (variances[0] + variances[1] + LEAST)
    return texture, structure
