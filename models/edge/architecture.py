"""The edge network: every pixel chooses whose blur it has, its own or that of a place nearby.

A small U-Net looks at the picture and the defocus map and weighs 25 places around each pixel; the
refined map is the weighted mean of the map there. So it can move, sharpen and smooth edges, but
cannot make up depth: a flat map stays as it is, and a refined one never leaves the range of its
surroundings. The idea of taking depth from beside an edge is that of displacement fields
(Ramamonjisoa et al., CVPR 2020).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# The map is looked at relative to its range this far around each pixel (px).
RANGE_REACH = 8
# Blur radius (px) that is no edge yet: steps below it do not matter.
LEAST_STEP = 0.5
# Colours of the two sides of an edge are averaged this far (px).
COLOR_REACHES = (4, 12)
# Deviation of colour (coded, 0..1) that any surface has, and steps that tell surfaces apart.
LEAST_DEVIATION = 0.03
COLOR_STEP = 0.15
# Distances of the places to choose from, in eight directions (px).
DISTANCES = (2, 4, 7)
DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
CHANNELS = (24, 32, 48, 64)
# Sizes have to be multiples of this.
STRIDE = 2 ** (len(CHANNELS) - 1)


def places() -> list[tuple[int, int]]:
    """Rows and columns of the places to choose from; the first is the pixel itself."""
    around = [
        # Diagonals are shortened to the same distance.
        tuple(round(step * distance / (abs(dy) + abs(dx)) ** 0.5) for step in (dy, dx))
        for distance in DISTANCES
        for dy, dx in DIRECTIONS
    ]
    return [(0, 0), *((dy, dx) for dy, dx in around)]


class EdgeNetwork(nn.Module):
    """Refines a defocus map by the picture it belongs to."""

    def __init__(self) -> None:
        super().__init__()
        evidence = 3 + 3 + 3 * len(COLOR_REACHES) + 2 * (len(places()) - 1)
        pairs = list(pairwise(CHANNELS))
        self.down = nn.ModuleList(
            [_block(evidence, CHANNELS[0], 1), *(_block(fine, coarse, 3) for fine, coarse in pairs)]
        )
        self.up = nn.ModuleList(_block(fine + coarse, fine, 1) for fine, coarse in pairs)
        self.choice = nn.Conv2d(CHANNELS[0], len(places()), 1)
        nn.init.zeros_(self.choice.weight)
        assert self.choice.bias is not None
        with torch.no_grad():
            self.choice.bias.zero_()[0] = 2.0  # At first most pixels keep their own.

    def forward(self, image: Tensor, defocus: Tensor) -> Tensor:
        """Weigh the places.

        Args:
            image: `[B,3,H,W]` sRGB-coded 0..1; H and W multiples of `STRIDE`.
            defocus: `[B,1,H,W]` signed blur radius, px.

        Returns:
            `[B,P,H,W]` logits of the places to choose from.
        """
        features = evidence_of(image, defocus)
        skipped: list[Tensor] = []
        for index, block in enumerate(self.down):
            features = block(F.max_pool2d(features, 2) if index else features)
            skipped.append(features)
        for index in reversed(range(len(self.up))):
            wide = F.interpolate(features, scale_factor=2.0, mode="bilinear")
            features = self.up[index](torch.cat([skipped[index], wide], dim=1))
        # In full precision even where the rest is trained in half.
        return self.choice(features).to(defocus)


def at_places(values: Tensor) -> Tensor:
    """One-channel values at every place to choose from, `[B,P,H,W]`."""
    return torch.cat(_at_places(values), dim=1)


def _at_places(values: Tensor) -> list[Tensor]:
    height, width = values.shape[-2:]
    reach = max(DISTANCES)
    padded = F.pad(values, (reach,) * 4, mode="replicate")
    return [
        padded[..., reach + dy : reach + dy + height, reach + dx : reach + dx + width]
        for dy, dx in places()
    ]


def local_range(defocus: Tensor, reach: int = RANGE_REACH) -> tuple[Tensor, Tensor]:
    """Lowest and highest value around each pixel."""
    return -highest(-defocus, reach), highest(defocus, reach)


def highest(values: Tensor, reach: int = RANGE_REACH) -> Tensor:
    """Highest value in a square around each pixel."""
    # Along one axis after the other is much faster than both at once.
    size = 2 * reach + 1
    rows = F.max_pool2d(values, (1, size), stride=1, padding=(0, reach))
    return F.max_pool2d(rows, (size, 1), stride=1, padding=(reach, 0))


def evidence_of(image: Tensor, defocus: Tensor) -> Tensor:
    """What the network sees, whatever the map's scale and focus: `[B,E,H,W]`.

    The picture, the map relative to its surroundings, how well each pixel's colour fits the near
    and the far side of an edge nearby, and how much every place differs in colour and defocus.
    """
    low, high = local_range(defocus)
    gap = high - low
    scale = gap + LEAST_STEP
    nearness = (defocus - low - 0.5 * gap) / scale  # -0.5 far to 0.5 near; 0 on a surface
    padded = F.pad(defocus, (2,) * 4, mode="replicate")
    detail = 2.0 * (defocus - F.avg_pool2d(padded, 5, stride=1)) / scale
    parts = [image - 0.5, nearness, detail, gap.log1p() / 4.0]
    parts += [_fit(image, nearness, reach) for reach in COLOR_REACHES]
    parts += [_contrast(place, image) for place in _at_places(image)[1:]]
    parts += [(place - defocus) / scale for place in _at_places(defocus)[1:]]
    return torch.cat(parts, dim=1)


def _contrast(place: Tensor, image: Tensor) -> Tensor:
    difference = (place - image).square().mean(dim=1, keepdim=True).sqrt()
    return difference / (difference + COLOR_STEP)


def _fit(image: Tensor, nearness: Tensor, reach: int) -> Tensor:
    """How well colours fit those of the near and the far side, and which they fit better."""
    misfits = []
    for share in (nearness.clamp(min=0.0), -nearness.clamp(max=0.0)):
        sums = _box(torch.cat([share, share * image, share * image.square()], dim=1), reach)
        weight, light, squares = sums.split([1, 3, 3], dim=1)
        weight = weight + 1e-4
        mean = light / weight
        variance = (squares / weight - mean.square()).clamp(min=0.0) + LEAST_DEVIATION**2
        misfit = (image - mean).square() / variance + variance.log()
        misfits.append(torch.where(weight > 1e-3, misfit.mean(dim=1, keepdim=True), 0.0))
    near, far = misfits
    return torch.cat([torch.tanh(0.25 * near), torch.tanh(0.25 * far), torch.tanh(far - near)], 1)


def _box(values: Tensor, reach: int) -> Tensor:
    """Mean over a square."""
    size = 2 * reach + 1
    rows = F.avg_pool2d(values, (1, size), stride=1, padding=(0, reach))
    return F.avg_pool2d(rows, (size, 1), stride=1, padding=(reach, 0))


def _block(inputs: int, outputs: int, first_size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, first_size, padding=first_size // 2),
        nn.LeakyReLU(0.1),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.LeakyReLU(0.1),
    )
