"""LPIPS: how unlike two pictures look, by features of a network trained to recognise things.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", version 0.1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .backbones import Backbone

CHANNELS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}
# Of pictures -1..1, as published.
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class LpipsHeads(nn.Module):
    """How much each feature counts, under the published names (`lin0.model.1.weight`).

    Args:
        channels: of the features at each depth.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        for index, count in enumerate(channels):
            head = nn.Module()
            # Index 0 was a dropout in training.
            head.model = nn.Sequential(nn.Identity(), nn.Conv2d(count, 1, 1, bias=False))
            setattr(self, f"lin{index}", head)
        self.count = len(channels)

    def weighted(self, index: int, differences: Tensor) -> Tensor:
        """`[B,1,h,w]`: the weighted sum of squared differences `[B,C,h,w]`."""
        return getattr(self, f"lin{index}").model(differences)


class Lpips(nn.Module):
    """The distance of two pictures; differentiable.

    Args:
        backbone: gives the features.
        heads: weigh them.
    """

    def __init__(self, backbone: Backbone, heads: LpipsHeads) -> None:
        super().__init__()
        self.backbone, self.heads = backbone, heads

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """`[B]`: 0 for equal pictures.

        Args:
            one, other: `[B,3,H,W]`, sRGB-coded 0..1.
        """
        pairs = zip(self._features(one), self._features(other), strict=True)
        distances = [
            self.heads.weighted(index, (first - second).square()).mean((1, 2, 3))
            for index, (first, second) in enumerate(pairs)
        ]
        return torch.stack(distances).sum(0)

    def _features(self, image: Tensor) -> list[Tensor]:
        shift = image.new_tensor(SHIFT).view(1, 3, 1, 1)
        scale = image.new_tensor(SCALE).view(1, 3, 1, 1)
        found = self.backbone((2.0 * image - 1.0 - shift) / scale)
        return [_of_unit_length(features) for features in found]


def _of_unit_length(features: Tensor) -> Tensor:
    length = features.square().sum(1, keepdim=True).sqrt()
    return features / (length + 1e-10)
